"""Makes plain JSON by one rule of what handlers give, heartbeats carry and runs are started with, or says why not.

Rules:

1. Mappings, dataclasses, msgspec Structs, pydantic models (in their mode json) and named tuples become dicts, other
   tuples lists.
2. Sets become sorted lists; what cannot be sorted is refused, for its order would be another in each process.
3. Dates and times become ISO texts (without a zone where they have none), a timedelta its seconds; Decimal, UUID and
   Path texts; an Enum its value; numpy's scalars and subclasses of str, int and float plain ones.
4. All else is refused by its place: bytes, arrays, what is no finite number, keys that are not text, ints of more
   than 4,300 digits, objects.

Neither numpy nor uuid is imported here: where there is a value of theirs, somebody else has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from msgspec import Struct
from pydantic import BaseModel

from playbill.model.frozen import FrozenDict, FrozenList
from playbill.model.model_json import say_model
from playbill.model.not_json import LONGEST_SHOWN, NotJson, sorted_set
from playbill.model.plain_text import kind_of, name_of, repr_of, text_of
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["NotJson", "plain_json", "why_not_json"]

DEEPEST: Final = 100
TOO_LONG: Final = 10**4300
"""The first whole number of more digits than Python writes as text."""
PLAIN: Final = frozenset({str, bool, type(None)})
_WAYS_OUT: Final = {
    "bytes": ": decode it, or give its base64 text",
    "bytearray": ": decode it, or give its base64 text",
    "memoryview": ": decode it, or give its base64 text",
    "ndarray": ": give its .tolist()",
    "coroutine": ": await it",
}


def plain_json(value: object, name: str, *, around: int = 0) -> Any:
    """Return `value` as plain JSON: a copy, of dicts, lists, text, numbers, booleans and None alone.

    What is frozen already stays what it is.

    Args:
        value: what is to be said.
        name: what to call it in errors, such as `output`.
        around: levels that stand around what was checked before, and do not count.

    Raises:
        NotJson: JSON cannot say it; tells which part, and why.
    """
    try:
        return _plain(value, -around)
    except NotJson as error:
        error.name = name
        raise


def why_not_json(value: object, name: str) -> str | None:
    """Return which part of `value` is not JSON as it stands, and why; None: all of it is.

    Depth first, so that a value that contains itself ends at the deepest level.

    Args:
        value: mappings, lists and scalars.
        name: what to call it, such as `inputs`; the path to the part is appended.
    """
    stack: list[tuple[str, object, int]] = [(name, value, 0)]
    while stack:
        path, item, depth = stack.pop()
        if depth > DEEPEST:
            return f"{name} {_TOO_DEEP}: {path:.{LONGEST_SHOWN}}..."
        if isinstance(item, dict):
            for key, inner in cast("dict[object, object]", item).items():
                if not isinstance(key, str):
                    return f"{path} {_key_text(key)}"
                stack.append((f"{path}.{key}", inner, depth + 1))
        elif isinstance(item, list | tuple):
            items = enumerate(cast("list[object]", item))
            stack.extend((f"{path}[{index}]", inner, depth + 1) for index, inner in items)
        elif why := _why_not_scalar(item):
            return f"{path} {why}"
    return None


# ---- mappings and lists ---------------------------------------------------------------------------------------

_TOO_DEEP: Final = f"is nested more than {DEEPEST} deep, or contains itself"
_ITEMS: Final[Callable[[Any], Iterable[tuple[object, object]]]] = dict[Any, Any].items
"""The builtin's own: a subclass of a user's may say anything."""


def _plain(value: object, depth: int) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if depth > DEEPEST:
        raise NotJson(_TOO_DEEP, deep=True)
    if kind is dict:
        return _plain_dict(_ITEMS(cast("dict[object, object]", value)), depth)
    if kind is list:
        return _plain_list(cast("list[object]", value), depth)
    if kind is int or kind is float:
        if why := _why_not_scalar(value):
            raise NotJson(why)
        return value
    if kind is FrozenDict or kind is FrozenList:
        frozen = cast("FrozenDict | FrozenList", value)
        for item in frozen.values() if isinstance(frozen, dict) else frozen:
            _plain(item, depth + 1)  # only to know how deep it is
        return frozen
    return _plain_other(value, depth)


def _plain_dict(items: Iterable[tuple[object, object]], depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, item in items:
        if not isinstance(key, str):
            raise NotJson(_key_text(key))
        try:
            made[str.__str__(key)] = item if type(item) in PLAIN else _plain(item, depth + 1)
        except NotJson as error:
            error.steps.append(f".{str.__str__(key)}")
            raise
    return made


def _plain_list(items: Iterable[object], depth: int) -> list[Any]:
    made: list[Any] = []
    for item in items:
        try:
            made.append(item if type(item) in PLAIN else _plain(item, depth + 1))
        except NotJson as error:
            error.steps.append(f"[{len(made)}]")
            raise
    return made


def _plain_set(items: Iterable[object], depth: int) -> list[Any]:
    return sorted_set(_plain_list(items, depth))


# ---- all other kinds ------------------------------------------------------------------------------------------


def _plain_other(value: object, depth: int) -> Any:
    """Return the plain JSON of what is neither a dict, a list nor a scalar of Python's own."""
    whole, kind = value, type(value)
    if isinstance(value, str | int | float) and not isinstance(value, Enum):
        return _plain_scalar(value)
    if isinstance(value, dict):
        return _plain_dict(_ITEMS(cast("dict[object, object]", value)), depth)
    if isinstance(value, tuple | list) and not hasattr(kind, "_fields"):
        return _plain_list(cast("list[object]", value), depth)
    if isinstance(value, set | frozenset):
        return _plain_set(cast("set[object]", value), depth)
    try:
        said = _say(whole)
    except NotJson:
        raise
    except Exception as error:
        raise NotJson(f"is {name_of(kind)}, which cannot be read: {kind_of(error)}: {text_of(error)}") from error
    return _plain(said, depth)


def _plain_scalar(value: str | float) -> str | float:
    if isinstance(value, str):
        return str.__str__(value)
    plain = int.__index__(value) if isinstance(value, int) else float.__float__(value)
    if why := _why_not_scalar(plain):
        raise NotJson(why)
    return plain


def _say(value: object) -> object:  # noqa: PLR0911 (a list of kinds)
    """Return what says the same in simpler words."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return say_model(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, tuple | list):  # with names
        names = cast("Iterable[str]", getattr(type(cast("object", value)), "_fields", ()))
        return dict(zip(names, cast("Iterable[object]", value), strict=True))
    if isinstance(value, Decimal):
        return Decimal.__str__(value) if value.is_finite() else _refuse(value)
    if isinstance(value, date | time | timedelta):
        if value != value:  # noqa: PLR0124 (as pandas' NaT, which is a date to isinstance)
            _refuse(value)
        return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()
    if isinstance(value, PurePath) or _is_of(value, "uuid", "UUID"):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return _say_struct(value) if isinstance(value, Struct) else _say_numpy_scalar(value)


def _say_struct(value: Struct) -> dict[str, object]:
    """Return what a Struct holds; one with parts of its own, such as an attempt's context, is no data."""
    names = value.__struct_fields__
    if any(name.startswith("_") for name in names):
        _refuse(value)
    return {name: getattr(value, name) for name in names}


def _say_numpy_scalar(value: object) -> object:
    """Return a scalar of numpy's as one of Python's own; refuse all else."""
    if not _is_of(value, "numpy", "generic"):
        _refuse(value)
    scalar: Any = value
    plain = scalar.item()
    if scalar.dtype.kind in "mM" and isinstance(plain, int):  # of a moment finer than microseconds
        plain = scalar.astype(f"{scalar.dtype.kind}8[us]").item()
    if plain is None:
        raise NotJson("is NaT, which JSON cannot say")
    return float(plain) if _is_of(plain, "numpy", "generic") else plain  # as of a longdouble


def _is_of(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class of a module that may not be loaded, and then there is none."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


# ---- why not --------------------------------------------------------------------------------------------------


def _why_not_scalar(item: object) -> str | None:
    if isinstance(item, float):
        return None if isfinite(item) else f"is {item}, which JSON cannot say"
    if isinstance(item, int):
        fits = -TOO_LONG < item < TOO_LONG
        return None if fits else "has more than 4,300 digits, which Python does not write as text"
    return None if item is None or isinstance(item, str) else f"is {type(item).__name__}, which JSON cannot say"


def _key_text(key: object) -> str:
    return f"has the key {clip(repr_of(key), LONGEST_SHOWN)}, and keys are strings"


def _refuse(value: object) -> NoReturn:
    kind = kind_of(value)
    shown = f"{kind} {text_of(value)}" if isinstance(value, Decimal | date | timedelta) else kind
    raise NotJson(f"is {shown}, which JSON cannot say{_WAYS_OUT.get(kind, '')}")
