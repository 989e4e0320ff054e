"""How values are put into words: long texts, lengths of time."""

from __future__ import annotations

__all__ = ["clip", "describe_seconds"]


def clip(text: str, max_characters: int) -> str:
    """Return a text of at most so many characters; what was cut off is three dots."""
    return text if len(text) <= max_characters else f"{text[: max_characters - 3]}..."


def describe_seconds(seconds: float) -> str:
    """Return a length of time in three digits and its unit: 12.3 ms, 4.56 s, 12.5 min, 3 h."""
    for size, unit, below in (
        (0.001, "ms", 1.0),
        (1.0, "s", 100.0),
        (60.0, "min", 6000.0),
        (3600.0, "h", 2 * 86400.0),
    ):
        if seconds < below:
            return f"{seconds / size:.3g} {unit}" if seconds else "0 s"
    return f"{seconds / 86400:,.4g} days"
