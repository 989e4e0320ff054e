"""Plants a mutant: its code is imported in place of the module's own, and is written to no cache."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

    from tests.mutants.mutant import Planted


class PlantedLoader(SourceFileLoader):
    """Loads one module from code that was made elsewhere."""

    def __init__(self, planted: Planted) -> None:
        super().__init__(planted.name, planted.path)
        self.planted = planted

    def get_code(self, fullname: str) -> CodeType:
        """Give the mutant's code; what reads and writes `__pycache__` is passed by."""
        return self.planted.code()


class PlantedFinder(MetaPathFinder):
    """Finds one module before anybody else does."""

    def __init__(self, planted: Planted) -> None:
        self.planted = planted

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the planted module is loaded; None for every other."""
        if fullname != self.planted.name:
            return None
        return spec_from_file_location(fullname, self.planted.path, loader=PlantedLoader(self.planted))


def plant(planted: Planted) -> None:
    """Have the module imported as it is planted, from here to the process's end.

    Raises:
        RuntimeError: it is too late: something of playbill is imported already.
    """
    if early := sorted(name for name in sys.modules if name.partition(".")[0] == "playbill"):
        raise RuntimeError(f"cannot plant '{planted.name}': '{early[0]}' is imported already; plant in a new process")
    sys.meta_path.insert(0, PlantedFinder(planted))
    importlib.import_module(planted.name)
