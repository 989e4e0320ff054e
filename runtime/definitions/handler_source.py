"""The hash of a handler's source, the same in each process and with each hash seed; made once for each function.

Rules:

1. What counts is the text of the function, decorators included: of wrapped ones (functools.wraps) all of them, of a
   partial its function, of a method its function, of an object its `__call__`.
2. A text counts only if it is what runs: a file that was edited since it was imported says something else. So the
   file is compiled once more, and the function looked for in it.
3. Otherwise its code counts: what it does, the constants and names in it. That is another one in each version of
   Python; a hash says which of the two it is of.

Weak spots: what a handler calls, the values it closes over and the arguments of a partial do not count.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from playbill.runtime.runners.calling import called_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["source_of"]

FILES_KEPT: Final = 4
"""Compiled at a time: of handlers in one file it is compiled once."""


class Known(NamedTuple):
    """What was found out of a function."""

    code: CodeType
    """What it ran then."""
    told: str


KNOWN: Final[WeakKeyDictionary[FunctionType, Known]] = WeakKeyDictionary()
"""Of each function, for as long as it lives."""


def source_of(handler: Callable[..., Any]) -> str | None:
    """Return `source:` or `code:` and the SHA-256 of what a handler is written as; None: it is written in C."""
    told = [_told_once(function) for function in _functions(handler)]
    if len(told) < 2:  # noqa: PLR2004 (one, mostly)
        return told[0] if told else None
    kind = "source" if all(each.startswith("source:") for each in told) else "code"
    return f"{kind}:{_hash(' '.join(told))}"


def _functions(handler: Callable[..., Any]) -> Iterator[FunctionType]:
    """Yield the function that a handler is, and those that it wraps."""
    found = called_by(handler)
    if not isinstance(found, FunctionType | MethodType):
        found = type(found).__call__
    seen: set[int] = set()
    while True:
        inner = found.__func__ if isinstance(found, MethodType) else found
        if not isinstance(inner, FunctionType) or id(inner) in seen:
            return
        seen.add(id(inner))
        yield inner
        found = called_by(getattr(inner, "__wrapped__", inner))


def _told_once(function: FunctionType) -> str:
    known = KNOWN.get(function)
    if known is None or known.code is not function.__code__:
        known = KNOWN[function] = Known(function.__code__, _tell(function))
    return known.told


def _tell(function: FunctionType) -> str:
    code = function.__code__
    text = _text_of(code, function.__globals__)
    return f"code:{_hash(_spell(code))}" if text is None else f"source:{_hash(text)}"


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ---- the text, if it is what runs -----------------------------------------------------------------------------


def _text_of(code: CodeType, names: dict[str, Any]) -> str | None:
    """Return the lines of a function; None: there are none, or they say something else by now."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, names))
    return _functions_in(text, code.co_filename).get(f"{code.co_firstlineno} {_spell(code)}")


@lru_cache(maxsize=FILES_KEPT)
def _functions_in(text: str, file: str) -> Mapping[str, str]:
    """Return the lines of all functions in a text, by the first and what it does; nothing of what is not Python."""
    try:
        tree = ast.parse(text, file)
        waiting = [compile(tree, file, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # as of a cell with a notebook's own words
        return {}
    ends = _ends_of_functions(tree)
    lines = text.splitlines(keepends=True)
    found: dict[str, str] = {}
    for code in waiting:  # it grows
        first = code.co_firstlineno
        found[f"{first} {_spell(code)}"] = "".join(lines[first - 1 : ends.get(first, first)])
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found


def _ends_of_functions(tree: ast.Module) -> dict[int, int]:
    """Return the last line of each function by its first, which is that of its first decorator."""
    ends: dict[int, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            first = min([node.lineno, *(each.lineno for each in decorators)])
            ends[first] = max(ends.get(first, first), node.end_lineno or first)
    return ends


# ---- the code -------------------------------------------------------------------------------------------------


def _spell(code: CodeType) -> str:
    """Write out what a function does: nothing of where it stands, nothing that hangs on a hash seed."""
    constants = ",".join(map(_spell_constant, code.co_consts))
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return f"{code.co_qualname}{shape}{names}[{constants}]{code.co_code.hex()}{code.co_exceptiontable.hex()}"


def _spell_constant(constant: object) -> str:
    if isinstance(constant, CodeType):
        return _spell(constant)
    if isinstance(constant, tuple | frozenset):
        parts = _spell_all(constant)
        return f"({','.join(parts)})" if isinstance(constant, tuple) else f"{{{','.join(sorted(parts))}}}"
    return f"{type(constant).__name__}:{constant!r}"


def _spell_all(constants: Any) -> list[str]:
    return [_spell_constant(each) for each in constants]
