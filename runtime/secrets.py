"""Secrets: what `${secrets.name}` may stand for, and how each is kept out of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from urllib.parse import quote, quote_plus

from playbill.model.plain_text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Secret", "check_secrets", "forms_of", "hidden"]

Secret: TypeAlias = "str | int | float"  # noqa: S105 (a type, not one of them)

HIDDEN: Final = "***"
PIECE: Final = 16
"""Characters of a secret's beginning or end that are enough to be hidden."""
_LARGEST: Final = 2**63
"""Whole numbers from here on are none to CEL."""


def check_secrets(secrets: object) -> dict[str, Secret]:
    """Return a copy of the secrets: texts and numbers, which keep their type in a config that is wholly one.

    Raises:
        TypeError: one is something else, of which no text can be hidden; names its key.
        ValueError: one is a number that a config cannot hold.
    """
    if not isinstance(secrets, Mapping):
        raise TypeError(f"secrets is a mapping of names to texts or numbers, not {kind_of(secrets)}")
    given = cast("Mapping[object, object]", secrets)
    return {_name(key): _plain(_name(key), value) for key, value in given.items()}


def _name(name: object) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    raise TypeError(f"secrets has a key of type {kind_of(name)}: keys are texts, as in ${{secrets.name}}")


def _plain(name: str, value: object) -> Secret:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"secret '{name}' is {kind_of(value)}: a secret is a text or a number, so give it as its text"
        )
    plain = int.__index__(value) if isinstance(value, int) else float.__float__(value)
    if not isfinite(plain) or (isinstance(plain, int) and not -_LARGEST <= plain < _LARGEST):
        raise ValueError(f"secret '{name}' is a number that no config can hold: give it as its text")
    return plain


def forms_of(secrets: Iterable[Secret]) -> tuple[str, ...]:
    """Return how secrets may stand in a text: as they are, quoted by Python and by JSON; the longest first.

    Of two secrets one may begin with the other: the rest of the longer one shall not be left.
    """
    ways: tuple[Callable[[str], str], ...] = (
        str, _inside(repr), _inside(json.dumps), _inside(ascii), _bytes_repr, _percent_encoded, quote_plus,
    )  # fmt: skip
    texts = [str(value) for value in secrets]
    forms = {way(text) for text in texts if text for way in ways}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _common(text: str, form: str) -> int:
    """Count the characters with which both begin."""
    pairs = enumerate(zip(text, form, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(text), len(form)))


def _percent_encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _bytes_repr(text: str) -> str:
    return repr(text.encode(errors="surrogatepass"))[2:-1]


def _inside(way: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: way(text)[1:-1]


def hidden(text: str, forms: Iterable[str]) -> str:
    """Return a text with stars in the place of each form of a secret, also of one whose beginning or end was cut."""
    for form in forms:
        text = text.replace(form, HIDDEN)
        if len(form) > PIECE:
            text = _without_pieces(text, form)
    return text


def _without_pieces(text: str, form: str) -> str:
    """Hide the longest beginnings and ends of a form that a text holds, of PIECE characters or more."""
    backwards = _without_beginnings(text, form)[::-1]
    return _without_beginnings(backwards, form[::-1])[::-1]


def _without_beginnings(text: str, form: str) -> str:
    kept: list[str] = []
    done = 0
    while (place := text.find(form[:PIECE], done)) >= 0:
        kept += [text[done:place], HIDDEN]
        done = place + _common(text[place : place + len(form)], form)
    return "".join([*kept, text[done:]])
