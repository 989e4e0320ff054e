"""Plain JSON that nobody can change: what a node gave and what a run was started with, which many hold.

A frozen mapping is a dict and a frozen list is a list, to isinstance, JSON, pydantic and CEL; only what would change
them is a TypeError. Whoever wants one to change takes a copy: `copy`, `copy.deepcopy`, `|`, `+` and pickle give plain
ones, and so does `type(frozen)(...)`, as dataclasses.asdict calls it. The weak spot: what is written in C and does
not ask (`dict.__setitem__(frozen, ...)`, heapq, the globals of eval) changes one all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from playbill.model.plain_text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FLAT", "FrozenDict", "FrozenList", "copied", "freeze", "freeze_flat", "no_config", "thaw"]

FLAT: Final = frozenset({str, int, bool, float, type(None)})
"""The types of values in which nothing can be changed; their subclasses are not among them."""


def _refuse(self: FrozenDict | FrozenList, *_: object, **__: object) -> NoReturn:
    """Raise the TypeError of all that would change it."""
    owner = getattr(self, "owner", "")
    whose = f"what node '{owner}' gave" if owner else "what the run was started with"
    raise TypeError(
        f"{whose} is read-only, since others have it, too: change a copy (copy.deepcopy gives a plain one)"
    )


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed; made by `freeze` alone."""

    __slots__ = ("owner",)
    owner: str
    """Who gave it; empty: the run was started with it."""

    if not TYPE_CHECKING:  # to type checkers, and so to handlers, a dict as any other

        def __new__(cls, *items: Any, **more: Any) -> dict[str, Any]:
            """Give a plain one: who makes another of its kind wants one of their own."""
            return dict(*items, **more)

        __init__ = __setitem__ = __delitem__ = __ior__ = _refuse
        clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: object) -> Any:
        return thaw(self)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class NoConfig(FrozenDict):
    """The empty config that the attempts of a node share: nothing can be put in, and there is nothing to take out."""

    __slots__ = ()

    if not TYPE_CHECKING:
        clear, pop, popitem = dict.clear, dict.pop, dict.popitem


class FrozenList(list[Any]):
    """A list that cannot be changed; made by `freeze` alone."""

    __slots__ = ("owner",)
    owner: str
    """Who gave it; empty: the run was started with it."""

    if not TYPE_CHECKING:  # see FrozenDict

        def __new__(cls, *items: Any) -> list[Any]:
            """Give a plain one, as FrozenDict does."""
            return list(*items)

        __init__ = __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
        append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: object) -> Any:
        return thaw(self)

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return list, (list(self),)


_SHARED: Final = FLAT | {FrozenDict, FrozenList}
_NEW_DICT: Final = dict.__new__
_NEW_LIST: Final = list.__new__
_FILL: Final[Callable[[dict[str, Any], dict[str, Any]], None]] = dict[str, Any].update
_EXTEND: Final[Callable[[list[Any], list[Any]], None]] = list[Any].extend
_ITEMS: Final[Callable[[Any], Iterable[tuple[Any, Any]]]] = dict[Any, Any].items
"""The builtin's own: a subclass of a user's may say anything."""


def freeze_flat(value: dict[str, Any], node: str) -> FrozenDict:
    """Return a dict that holds no other as one that cannot be changed; `node` is who gave it."""
    frozen = _NEW_DICT(FrozenDict)
    _FILL(frozen, value)
    frozen.owner = node
    return frozen


def freeze(value: Any, node: str = "") -> Any:
    """Return plain JSON that cannot be changed, a copy; of subclasses of JSON's types what they are made from.

    Args:
        value: mappings and lists of an allowed depth; tuples become lists.
        node: who gave it; empty: the run was started with it.

    Raises:
        TypeError: a value is nothing that JSON can say.
    """
    if type(value) in _SHARED:
        return value
    if isinstance(value, dict):
        items = _ITEMS(cast("dict[str, Any]", value))
        return freeze_flat({str.__str__(key): freeze(item, node) for key, item in items}, node)
    if isinstance(value, list | tuple):
        frozen = _NEW_LIST(FrozenList)
        _EXTEND(frozen, [freeze(item, node) for item in cast("list[Any]", value)])
        frozen.owner = node
        return frozen
    return _plain_scalar(value)


def _plain_scalar(value: object) -> str | float:
    """Return the plain text or number that a value of a subclass is."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"{kind_of(value)} is nothing that JSON can say")


def no_config() -> NoConfig:
    """Return the config of a node that has none."""
    made = _NEW_DICT(NoConfig)
    made.owner = ""
    return made


def thaw(value: Any) -> Any:
    """Return a plain copy of what was frozen, all through."""
    if isinstance(value, FrozenDict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, FrozenList):
        return [thaw(item) for item in value]
    return value


def copied(value: Any) -> Any:
    """Return a copy of nested dicts and lists in which anything may be changed; other values are shared."""
    if type(value) in FLAT:
        return value
    if isinstance(value, dict):
        return {key: copied(item) for key, item in _ITEMS(cast("dict[str, Any]", value))}
    if isinstance(value, list):
        return [copied(item) for item in cast("list[object]", value)]
    return value
