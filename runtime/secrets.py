"""Secrets: what `${secrets.name}` may stand for."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Final, TypeAlias, cast

from playbill.model.plain_text import kind_of

__all__ = ["Secret", "check_secrets"]

Secret: TypeAlias = "str | int | float"  # noqa: S105 (a type, not one of them)

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
