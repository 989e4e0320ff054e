"""Secrets: what `${secrets.name}` may stand for, and how each is kept out of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from playbill.model.plain_text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Secret", "check_secrets", "forms_of", "hidden"]

Secret: TypeAlias = "str | int | float"  # noqa: S105 (a type, not one of them)

HIDDEN: Final = "***"
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
    ways: tuple[Callable[[str], str], ...] = (str, _inside(repr), _inside(json.dumps))
    texts = [str(value) for value in secrets]
    forms = {way(text) for text in texts if text for way in ways}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _inside(quote: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: quote(text)[1:-1]


def hidden(text: str, forms: Iterable[str]) -> str:
    """Return a text with stars in the place of each form of a secret."""
    for form in forms:
        text = text.replace(form, HIDDEN)
    return text
