"""What kinds of failures exceptions are: the names of their classes, in failures and in policies, and groups' leaves.

Rules:

1. A builtin exception and an error of playbill's has its bare name, any other class `module.Class`; so a policy that
   says ConnectionError does not mean another library's.
2. A class is also what its package calls it: `requests.exceptions.Timeout` is `requests.Timeout`.
3. Of an exception group there are the kinds of each failure within, and those of the groups around it.
"""

from __future__ import annotations

import builtins
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model import errors
from playbill.model.diagnostics import did_you_mean
from playbill.model.plain_text import repr_of
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["BETWEEN", "canonical_kinds", "kinds_of", "kinds_of_name", "leaves_of", "why_unknown"]

BETWEEN: Final = ""
"""Stands in the kinds of a group between those of one failure and those of the next."""
_MRO: Final[Any] = type.__dict__["__mro__"]
"""Asked of `type` itself, as the others: an exception's class may have a class of its own."""
_MODULE: Final[Any] = type.__dict__["__module__"]
_QUALNAME: Final[Any] = type.__dict__["__qualname__"]
_EXCEPTIONS: Final[Any] = BaseExceptionGroup.__dict__["exceptions"]
_DOTTED: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_LONGEST_SHOWN: Final = 60
_SURE: Final = sys.stdlib_module_names - {"__main__"} | {"playbill"}
"""Whose modules have all that they will ever have once they are loaded."""


def _exceptions_of(module: object) -> dict[str, type[BaseException]]:
    found = vars(module).items()
    return {name: kind for name, kind in found if isinstance(kind, type) and issubclass(kind, BaseException)}


_KNOWN: Final[Mapping[str, type[BaseException]]] = {**_exceptions_of(errors), **_exceptions_of(builtins)}
"""Those that have a bare name; some have another one besides, as OSError is IOError, too."""


# ---- of exceptions --------------------------------------------------------------------------------------------


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the failures within an exception group, and within those in it; of another exception itself."""
    return _leaves_and_groups(error)[0]


def kinds_of(error: BaseException) -> tuple[str, ...]:
    """Return the names of the exception's class and its bases, nearest first: what `on` and `never` match.

    Of a group those of each failure within, each once, with BETWEEN between them.
    """
    leaves, groups = _leaves_and_groups(error)
    around = [name for group in groups for name in _names_of_class(type(group))]
    kinds: list[str] = []
    for kind in dict.fromkeys(map(type, leaves)):
        kinds += [BETWEEN, *dict.fromkeys([*_names_of_class(kind), *around])]
    return tuple(kinds[1:])


def kinds_of_name(name: str) -> tuple[str, ...]:
    """Return the kinds of an exception of which only the class's name is known."""
    known = _KNOWN.get(name)
    return (name, "Exception", "BaseException") if known is None else tuple(_names_of_class(known))


def _leaves_and_groups(error: BaseException) -> tuple[list[BaseException], list[BaseException]]:
    if not issubclass(type(error), BaseExceptionGroup):
        return [error], []
    leaves: list[BaseException] = []
    groups: list[BaseException] = []
    waiting, seen = [error], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if issubclass(type(part), BaseExceptionGroup):
            groups.append(part)
            waiting.extend(reversed(_EXCEPTIONS.__get__(part)))
        else:
            leaves.append(part)
    return leaves, groups


def _names_of_class(kind: type) -> Iterator[str]:
    for base in _MRO.__get__(kind):
        if base is not object:
            yield from _names(base)


def _names(kind: type) -> Iterator[str]:
    """Yield how a class is named: its own name, and what packages around its module call it."""
    qualname = str.__str__(_QUALNAME.__get__(kind)).rpartition("<locals>.")[2]
    if _KNOWN.get(qualname) is kind:
        yield qualname
        return
    module = _MODULE.__get__(kind)
    if not isinstance(module, str):
        yield qualname
        return
    module = "__main__" if str.__str__(module) == "__mp_main__" else str.__str__(module)  # a script's, in a worker
    yield f"{module}.{qualname}"
    while module := module.rpartition(".")[0]:
        if _attribute(module, qualname) is kind:
            yield f"{module}.{qualname}"


def _attribute(module: str, name: str) -> object:
    """Return what a module calls so, if it is loaded and does."""
    loaded = sys.modules.get(module)
    return vars(loaded).get(name) if isinstance(loaded, ModuleType) else None


# ---- in policies ----------------------------------------------------------------------------------------------


def canonical_kinds(written: object) -> object:
    """Return the names of classes as `kinds_of` has them; what is no list of them stays as it is.

    Args:
        written: names, or the classes themselves; one may stand for a list of one.

    Raises:
        ValueError: a bare name is neither a builtin exception's nor one of playbill's; or it is no exception at all.
    """
    if isinstance(written, str | type):
        written = [written]
    if not isinstance(written, list | tuple | set | frozenset):
        return written
    made: list[str] = []
    wrong: list[str] = []
    for each in cast("Iterable[object]", written):
        try:
            made.append(_canonical(each))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(made)


def _canonical(written: object) -> str:
    given = written
    if isinstance(written, type) and issubclass(written, BaseException):
        return next(_names(written))
    if not isinstance(written, str):
        shown = clip(repr_of(given), _LONGEST_SHOWN)
        raise ValueError(f"names classes of exceptions, and {shown} is none")  # noqa: TRY004 (pydantic takes these)
    known = _KNOWN.get(written) or _known_by_another_name(written)
    if known is not None:
        return next(_names(known))
    if _DOTTED.fullmatch(written):
        _check_known(written)
        return written
    hint = did_you_mean(written, _KNOWN)
    raise ValueError(
        f"{clip(repr(written), _LONGEST_SHOWN)} is no exception of Python's or playbill's{hint}: write a class of"
        " your own or of a library with its module, such as mymodule.Throttled"
    )


def _check_known(written: str) -> None:
    """Refuse what a module of Python's own, or playbill, is known not to have; other modules may not be loaded yet.

    Raises:
        ValueError: it names no exception.
    """
    if written.partition(".")[0] in _SURE and (why := why_unknown(written)):
        raise ValueError(why)


def why_unknown(kind: str) -> str:
    """Tell that a module that is loaded by now has no such exception; empty: it has, or nobody knows."""
    module, _, name = kind.rpartition(".")
    loaded = sys.modules.get(module)
    if not isinstance(loaded, ModuleType):
        return ""
    try:
        found: object = getattr(loaded, name, None)
    except Exception:  # noqa: BLE001 (a module's own `__getattr__` may raise anything)
        return ""
    if isinstance(found, type) and issubclass(found, BaseException):
        return ""
    has = _KNOWN if module == "playbill" else _exceptions_of(loaded)
    return f"{kind!r}: {module} has no exception '{name}'{did_you_mean(name, has)}"


def _known_by_another_name(written: str) -> type[BaseException] | None:
    """Return what a module calls otherwise, as `asyncio.TimeoutError` or `playbill.NodeExecutionError`."""
    module, _, name = written.rpartition(".")
    found = _attribute(module, name)
    if found is None and module == "playbill":  # whose names are imported when they are asked for
        found = _KNOWN.get(name)
    return found if isinstance(found, type) and found in _KNOWN.values() else None
