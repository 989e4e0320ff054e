"""The host's main module: its other name, how a worker finds it, and whether we are one that is importing it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["import_once", "imports_main", "main_module"]


def import_once(name: str) -> ModuleType:
    """Import a module by its name; the running script, which is `__main__`, is not executed a second time for it."""
    if name not in sys.modules and _is_main(name):
        return sys.modules["__main__"]
    return importlib.import_module(name)


def _is_main(name: str) -> bool:
    main = sys.modules["__main__"]
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return bool(spec.name == name)
    if path is None or "." in name:
        return False
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None and Path(found.origin).resolve() == Path(path).resolve()


def imports_main() -> bool:
    """Tell whether this process imports its host's main script: what a script's guard keeps back must not run."""
    process = sys.modules.get("multiprocessing.process")  # who imports it nowhere is no worker
    return process is not None and getattr(process.current_process(), "_inheriting", False)


def main_module() -> dict[str, Any]:
    """Return how `multiprocessing.spawn.prepare` finds the main module; empty: there is none to find."""
    main = sys.modules["__main__"]
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return {"init_main_from_name": spec.name, "sys_argv": sys.argv}
    if path is None:
        return {}
    from multiprocessing import process  # noqa: PLC0415 (its import is slow, and commands do without it)

    started_in: str | None = getattr(process, "ORIGINAL_DIR", None)
    whole = Path(started_in or "", path)
    return {"init_main_from_path": os.path.normpath(whole), "sys_argv": sys.argv}
