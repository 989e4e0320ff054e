"""The attributes of runs, by which people find them: names and scalars, few and short; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Final, TypeAlias, cast

from playbill.model.errors import DefinitionError

__all__ = ["MAX_ATTRIBUTES", "Scalar", "check_attributes", "check_count"]

Scalar: TypeAlias = str | int | float | bool
"""The value of an attribute."""
MAX_ATTRIBUTES: Final = 64
"""Of one run."""
MAX_BYTES: Final = 4096
"""Of one value, as UTF-8."""
NAME: Final = re.compile(r"[^\W\d][\w.-]{0,63}")


def check_attributes(attributes: object) -> None:
    """Refuse what are no attributes.

    Raises:
        DefinitionError: names the first one that is none.
    """
    if not isinstance(attributes, Mapping):
        raise _wrong(f"attributes are a mapping of names to text, numbers and bools, not {attributes!r:.60}")
    given = cast("Mapping[object, object]", attributes)
    for name, value in given.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            rule = "begins with a letter or '_', and has up to 64 letters, digits, '_', '.' and '-'"
            raise _wrong(f"attribute {name!r:.80}: a name {rule}")
        if not isinstance(value, str | int | float | bool):
            raise _wrong(f"attribute '{name}' is {value!r:.60}, and takes text, a number or a bool")
        if isinstance(value, float) and not isfinite(value):
            raise _wrong(f"attribute '{name}' is {value!r}, and takes a finite number")
        size = len(str(value).encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise _wrong(f"attribute '{name}' has {size:,} bytes, over the limit of {MAX_BYTES:,}: give a reference")
    check_count(len(given))


def check_count(count: int) -> None:
    """Refuse more attributes than a run may have.

    Raises:
        DefinitionError: they are.
    """
    if count > MAX_ATTRIBUTES:
        raise _wrong(f"a run has up to {MAX_ATTRIBUTES} attributes, and these are {count}: leave some out")


def _wrong(text: str) -> DefinitionError:
    return DefinitionError.single("attributes", "attributes", text)
