"""Text as it may be written to a terminal."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return a text with escapes for what would move a terminal's cursor, or what its encoding lacks."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text.encode(encoding, "backslashreplace").decode(encoding)
