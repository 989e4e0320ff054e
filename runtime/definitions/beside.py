"""Modules that stand beside a pipeline's file: they are found from wherever the file is loaded.

While a pipeline is compiled its folder is the first place of the path; later it is the last one, so that nothing in
it hides a module of somebody else's from the rest of the program.

Of two modules of one name, in two folders, the second is refused: a program has one of each name.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from playbill.runtime.processes.main_module import import_once

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import PurePath
    from types import ModuleType

__all__ = ["import_beside", "looking_beside"]


@contextmanager
def looking_beside(folder: PurePath | None) -> Generator[None]:
    """Let modules be imported from a folder first, and afterwards from there, too; None: change nothing."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def import_beside(name: str, folder: PurePath | None) -> ModuleType:
    """Import a module, the one in this folder if there is one.

    Raises:
        ImportError: another module of this name is known already: who has imported that one means it, and whoever
            imports the name later would get one of the two.
    """
    top = name.partition(".")[0]
    known = sys.modules.get(top)
    spec = PathFinder.find_spec(top, [str(folder)]) if folder is not None and known is not None else None
    origin = getattr(getattr(known, "__spec__", None), "origin", None)
    if spec is not None and spec.origin != origin:
        raise ImportError(f"'{top}' is known from {origin} already, and another one is {spec.origin}: rename one")
    return import_once(name)
