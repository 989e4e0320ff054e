"""Tells before a run whether a process can import a handler."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError
from playbill.runtime.processes.main_module import main_module
from playbill.runtime.runners.calling import called_by

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_importable"]


def check_importable(handler: Callable[..., Any]) -> None:
    """Refuse a handler that a new process could not import.

    Raises:
        NodeConfigError: it is a lambda or defined inside a function, in a notebook or at a prompt, its name leads to
            something else, or what it holds cannot be pickled; names it and the way out.
    """
    inner = called_by(handler)
    if why := _why_not(inner) or _why_not(handler):
        raise NodeConfigError(
            f"handler '{_name(inner)}' cannot run in a process: {why}; define it with `def` at the top of a module,"
            " or use isolation: inline"
        )


def _why_not(handler: Callable[..., Any]) -> str | None:
    name = getattr(handler, "__qualname__", type(handler).__qualname__)
    module = getattr(handler, "__module__", None)
    if "<lambda>" in name:
        return "it is a lambda"
    if "<locals>" in name:
        return "it is defined inside a function"
    if module == "__main__" and (why := _why_not_main()):
        return why
    try:
        pickle.dumps(handler)
    except Exception as error:  # noqa: BLE001 (whatever a __reduce__ of a user's raises)
        return f"{type(error).__name__}: {error}"
    return None


def _why_not_main() -> str | None:
    found = main_module()
    if not found:
        return "it is defined in a notebook, at a prompt or in code given to the interpreter as text"
    name, path = found.get("init_main_from_name", ""), found.get("init_main_from_path")
    if name.rpartition(".")[2] == "__main__":
        return f"it is defined in '{name}', which is not imported a second time"
    if path is not None and not Path(path).exists():
        return f"it is defined in '{path}', which is no file"
    return None


def _name(handler: Callable[..., Any]) -> str:
    module = getattr(handler, "__module__", "?")
    return f"{module}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
