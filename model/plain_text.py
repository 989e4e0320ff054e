"""Plain texts of values of users', which may do anything when they are asked: bounded, and never raising.

What a user's code raises while it is asked, be it SystemExit, is part of the text that tells so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_TEXT_BYTES", "bounded", "kind_of", "name_of", "repr_of", "text_of"]

MAX_TEXT_BYTES: Final = 16 * 1024
"""What a failure's text has in UTF-8 at most."""
_MAX_NAME: Final = 200
_ROOM: Final = 64
"""Bytes for the words that say how much was cut."""
_NAME: Final[Any] = type.__dict__["__name__"]
"""Asked of `type` itself: a class's own class may say anything."""


def name_of(kind: type) -> str:
    """Return the name of a class, of 200 characters at most."""
    return clip(str.__str__(_NAME.__get__(kind)), _MAX_NAME)


def kind_of(value: object) -> str:
    """Return the name of a value's class."""
    return name_of(type(value))


def text_of(value: object) -> str:
    """Return `str(value)`, or why it cannot be had."""
    return said(lambda: str(value))


def repr_of(value: object) -> str:
    """Return `repr(value)`, or why it cannot be had."""
    return said(lambda: repr(value))


def said(say: Callable[[], str]) -> str:
    """Return the text that `say()` gives as a plain one, or why it cannot be had."""
    try:
        return str.__str__(say())
    except BaseException as broken:  # noqa: BLE001 (a value of a user's, broken in any way)
        return f"(its text cannot be had: {name_of(type(broken))})"


def bounded(text: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return a text of at most `max_bytes` in UTF-8: of a longer one both ends, and how much was cut between them."""
    if len(text) * 4 <= max_bytes:
        return text
    size = _size(text)
    if size <= max_bytes:
        return text
    half = (max_bytes - _ROOM) // 2
    head, tail = text[:half], text[-half:]
    while _size(head) > half:
        head = head[: -max(1, (_size(head) - half) // 4)]
    while _size(tail) > half:
        tail = tail[max(1, (_size(tail) - half) // 4) :]
    return f"{head}\n... {size - _size(head) - _size(tail):,} bytes were cut ...\n{tail}"


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
