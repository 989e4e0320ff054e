"""The host's main module: how a worker finds it, and whether we are a worker that is importing it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["imports_main", "main_module"]


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
