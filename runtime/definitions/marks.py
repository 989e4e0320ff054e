"""What the decorators note of handlers: by name and place, for as long as the program runs."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.catalog import NodeType
from playbill.model.errors import DefinitionError, Problem
from playbill.runtime.runners.calling import called_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from playbill.model.catalog import ActionType

__all__ = ["DECORATED", "Mark", "add_mark", "check_distinct", "marks_in_module", "marks_of", "place_of"]

ATTRIBUTE: Final = "__playbill_types__"
TOP: Final = "<module>"
"""The name of the code of a module's top level."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One node type or action that a decorator has given a handler."""

    work: NodeType | ActionType
    module: str
    """Where the handler is defined."""
    marked_in: str
    """The module whose top level was running: it brings the type, wherever the handler comes from."""
    execution: object
    """The spec of the handler's module: a reload gives it a new one."""

    @property
    def subject(self) -> str:
        """What a definition asks for, such as `node type 'a'`."""
        return f"{'node type' if isinstance(self.work, NodeType) else 'action'} '{self.work.name}'"

    def is_replaced_by(self, other: Mark) -> bool:
        """Tell whether the other is this one, defined anew: at the same place, or as the module ran again."""
        if self.subject != other.subject or self.module != other.module:
            return False
        anew = self.work.origin == other.work.origin or self.execution is not other.execution
        return anew or not hasattr(sys.modules.get(self.module), "__file__")  # a cell of a notebook ran again


DECORATED: Final[dict[str, Mark]] = {}
"""All that decorators have marked, by name and place; one defined anew, as in a notebook, replaces the old one."""
OBJECTS: Final[list[Mark]] = []
"""Of handlers that are not functions: what is set on an object goes along when it is pickled, or cannot be set."""


def add_mark(work: NodeType | ActionType) -> None:
    """Note that this work has a handler."""
    module, _, _ = work.origin.partition(":")
    mark = Mark(work, module, _running_module(), _spec_of(sys.modules.get(module)))
    if isinstance(work.handler, FunctionType):
        others = tuple(known for known in marks_of(work.handler) if known.subject != mark.subject)
        setattr(work.handler, ATTRIBUTE, (*others, mark))
    else:
        OBJECTS.append(mark)
    for key in [key for key, known in DECORATED.items() if known.is_replaced_by(mark)]:
        del DECORATED[key]
    DECORATED[f"{mark.subject}, {work.origin}"] = mark


def place_of(handler: Callable[..., Any]) -> str:
    """Return where a handler is defined, as `module:qualname`; of a lambda in a file with its line."""
    inner = called_by(handler)
    named = inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner)
    module = str(getattr(named, "__module__", None) or "builtins")
    name = str(getattr(named, "__qualname__", type(inner).__qualname__))
    code = getattr(inner, "__code__", None)
    # In a file each lambda has a line of its own; a cell of a notebook that runs again may have moved its.
    if name.endswith("<lambda>") and code is not None and hasattr(sys.modules.get(module), "__file__"):
        name = f"{name}, line {code.co_firstlineno}"
    return f"{module}:{name}"


def marks_of(source: Any) -> tuple[Mark, ...]:
    """Return what a handler is marked as; nothing, if it is none."""
    if isinstance(source, staticmethod):
        source = source.__func__
    try:
        found = getattr(source, ATTRIBUTE, ())
    except Exception:  # noqa: BLE001 (a proxy in a module may refuse to be looked at)
        return ()
    if isinstance(found, tuple) and found:
        return cast("tuple[Mark, ...]", found)
    bound = inspect.ismethod(source)  # made anew each time it is looked up, and equal
    return tuple(mark for mark in OBJECTS if mark.work.handler is source or (bound and mark.work.handler == source))


def marks_in_module(module: ModuleType) -> Iterator[Mark]:
    """Give the marks of all that a module names, and of what it has marked without keeping a name for it."""
    seen: set[int] = set()
    named = (mark for item in list(vars(module).values()) for mark in marks_of(item))
    unnamed = (mark for mark in list(DECORATED.values()) if mark.marked_in == module.__name__)
    for mark in (*named, *unnamed):
        # A reload leaves the names there that the module has no more.
        is_left_over = mark.module == module.__name__ and mark.execution is not _spec_of(module)
        if not is_left_over and id(mark) not in seen:
            seen.add(id(mark))
            yield mark


def check_distinct(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks, each once.

    Raises:
        DefinitionError: two are of one name and different handlers; names both places; carries all problems.
    """
    known: dict[str, Mark] = {}
    problems: list[Problem] = []
    for mark in marks:
        first = known.setdefault(mark.subject, mark)
        if first is not mark and first.work != mark.work:
            name, places = mark.work.name, f"{first.work.origin} and {mark.work.origin}"
            text = f"is defined twice, in {places}: rename one of them, or name those you mean, types=[...]"
            problems.append(Problem("duplicate-name", name, f"{mark.subject} {text}"))
    if problems:
        raise DefinitionError("", problems, "types" if len(problems) > 1 else "pipeline")
    return list(known.values())


def _spec_of(module: ModuleType | None) -> object:
    return getattr(module, "__spec__", None)


def _running_module() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != TOP:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
