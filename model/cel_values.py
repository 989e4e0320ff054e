"""What CEL is given in one evaluation, and how what it gives back becomes JSON again, with value and order kept.

The library's maps have no order, its ints 64 bits, its texts no half of a surrogate pair. So:

1. A value that it cannot hold goes in as a stand-in, bytes that compare as it does; these can be handed on, not used.
2. A map that comes back is looked up among those that went in, and that very one is given; any other has the order
   of the map literal that it is by its keys, or that of its keys.
3. A timestamp and a duration are what they are as outputs of a node (see jsonable.py); what else JSON has no word for
   is refused.

Weak spot: of two equal maps, or two map literals with the same keys, in different orders the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError
from playbill.model.jsonable import plain_json
from playbill.model.wording import clip

if TYPE_CHECKING:
    from playbill.model.cel_rewriting import MapLiteral

__all__ = ["Exchange", "all_fit", "each_of"]

_INTS: Final = range(-(2**63), 2**64)
_HALF: Final = re.compile("[\ud800-\udfff]")
_ALWAYS_FIT: Final = frozenset({float, bool, type(None)})
_FIT: Final = (float, bytes, datetime, timedelta, type(None))
_MARK: Final = b"\0playbill\0"
"""What a stand-in begins with,"""
_END: Final = b"\xff"
"""and ends with, so that no text can be made of it."""
LONGEST_SHOWN: Final = 60


class Exchange:
    """What went into one evaluation and comes out of it.

    Args:
        leaves: The values that the expression names.
        literals: The map literals in it.
        variables: What it is evaluated over.
    """

    __slots__ = ("_leaves", "_literals", "_numbers", "_sources", "_stand_ins", "_variables", "strangers")

    def __init__(self, leaves: list[object], literals: tuple[MapLiteral, ...], variables: Mapping[str, Any]) -> None:
        self._leaves = leaves
        self._literals = literals
        self._variables = variables
        self._stand_ins: dict[str | bytes, object] = {}
        self._numbers: dict[object, int] = {}
        self._sources: dict[int, Any] | None = None
        self.strangers: dict[str, str] = {}
        """What CEL cannot hold, by where it stands."""

    def give(self, value: Any, where: str = "") -> Any:
        """Give a value as CEL can hold it."""
        if isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value).items()
            return {self._key(key): self.give(item, f"{where}.{key}" if where else str(key)) for key, item in items}
        if isinstance(value, list | tuple):
            return [self.give(item, f"{where}[{i}]") for i, item in enumerate(cast("list[object]", value))]
        if _fits(value):
            return value
        self.strangers[where] = _why_not(value)
        return self._stand_in(value)

    def take(self, value: Any) -> Any:
        """Give what CEL gave back as JSON, each part of what went in as it was.

        Raises:
            NodeConfigError: JSON has no word for it.
        """
        match value:
            case list():
                return [self.take(item) for item in cast("list[object]", value)]
            case dict():
                return self._take_map(cast("dict[object, object]", value))
            case str() | bytes() if self._stand_ins:
                return self._stand_ins[value] if value in self._stand_ins else _plain(value)
            case _:
                return _plain(value)

    def keys(self, value: Any) -> Any:
        """Give the keys of a map in their order; anything else as `each_of` does."""
        if isinstance(value, bytes):
            return each_of(self._stand_ins.get(value, value))
        if not isinstance(value, dict):
            return each_of(value)
        return [*map(self._key, self._ordered(cast("dict[object, object]", value)))]

    def _take_map(self, value: dict[object, object]) -> Any:
        source = self._source(value)
        if source is not None:
            return source
        for key in value:
            if not isinstance(key, str):
                told = f"it gives a map with the key {str(key).lower()}, which is no text, and JSON has no other keys"
                raise NodeConfigError(f"{told}: write it in quotes, or string(x)")
        return {self.take(key): self.take(value[key]) for key in self._ordered(value)}

    def _ordered(self, value: dict[object, object]) -> Iterable[Any]:
        source = self._source(value)
        if source is not None:
            return cast("Iterable[Any]", source)
        keys = sorted(value, key=lambda key: (type(key).__name__, key))
        orders = (order for each in self._literals if (order := each.order_of(keys, self._variables)))
        return next(orders, keys)

    def _source(self, value: dict[object, object]) -> Any:
        """Give what went in and is equal to a map, its nested ones included."""
        if self._sources is None:
            self._sources = {}
            for leaf in self._leaves:
                self._number(leaf, self._sources)
        return self._sources.get(self._number(value, None))

    def _number(self, value: Any, sources: dict[int, Any] | None) -> int:
        """Number a value so that just what is equal, type and all, has its number."""
        if isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value).items()
            parts: object = frozenset([(self._key(key), self._number(item, sources)) for key, item in items])
        elif isinstance(value, list | tuple):
            parts = tuple([self._number(item, sources) for item in cast("list[object]", value)])
        elif isinstance(value, float):
            parts = value.hex()
            return self._numbers.setdefault((float, parts), len(self._numbers))
        else:
            parts = value if _fits(value) else self._stand_in(value)
            return self._numbers.setdefault((type(parts), parts), len(self._numbers))
        number = self._numbers.setdefault((type(parts), parts), len(self._numbers))
        if sources is not None and isinstance(value, Mapping):
            sources.setdefault(number, value)
        return number

    def _key(self, key: Any) -> Any:
        if _fits(key):
            return key
        token = _MARK.decode() + ascii(key)
        self._stand_ins.setdefault(token, key)
        return token

    def _stand_in(self, value: object) -> bytes:
        token = _token(value)
        self._stand_ins.setdefault(token, value)
        return token


def all_fit(leaves: Iterable[object]) -> bool:
    """Tell whether CEL can hold values, nested ones and keys included."""
    waiting = [*leaves]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            mapping = cast("Mapping[object, object]", item)
            waiting.extend([key for key in mapping if not (isinstance(key, str) and key.isascii())])
            items: Iterable[object] = mapping.values()
        elif isinstance(item, list | tuple):
            items = cast("list[object]", item)
        elif _fits(item):
            continue
        else:
            return False
        waiting.extend([each for each in items if type(each) not in _ALWAYS_FIT])
    return True


def each_of(value: Any) -> Any:
    """Give what a macro walks and `size` counts: the keys of a mapping, for a text one sign for each character."""
    # The library walks maps in an order of its own, and counts a text's bytes.
    if isinstance(value, Mapping):
        return [*cast("Mapping[str, Any]", value)]
    if isinstance(value, str):
        return "." * len(value)
    return 0 if isinstance(value, int) else value  # as wrong as any, and no stand-in, whose bytes would be counted


def _fits(value: object) -> bool:
    if isinstance(value, int):
        return value in _INTS
    if isinstance(value, str):
        return value.isascii() or _HALF.search(value) is None
    return isinstance(value, _FIT)


def _plain(value: object) -> str | float | None:
    """Give a value that is no collection as JSON has it."""
    match value:
        case float() if isfinite(value):
            return value
        case bool() | int() | None:
            return value
        case str() if _MARK.decode() not in value:
            return value
        case datetime() | timedelta():
            return cast("str | float", plain_json(value, "it"))
        case _:
            raise NodeConfigError(f"it gives {clip(repr(value), LONGEST_SHOWN)}, which JSON cannot say")


def _why_not(value: object) -> str:
    match value:
        case int():
            return "an int beyond 64 bits"
        case str():
            return "a text with half a surrogate pair in it"
        case _:
            return f"a value of type {type(value).__name__}"


def _token(value: object) -> bytes:
    """Write what CEL cannot hold as bytes that compare as it does."""
    if isinstance(value, str):
        return _MARK + b"s" + value.encode("utf-8", "surrogatepass") + _END
    if not isinstance(value, int):
        return _MARK + b"o" + str(id(value)).encode() + _END
    digits = abs(value).to_bytes((value.bit_length() + 7) // 8, "big")
    told = len(digits).to_bytes(4, "big") + digits
    return _MARK + (b"p" + told if value > 0 else b"n" + bytes(255 - each for each in told)) + _END
