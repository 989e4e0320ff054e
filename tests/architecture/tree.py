"""The source tree as the architecture tests read it: each module once, by its real path."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("actors", "model", "runtime")

needs_the_front = pytest.mark.skipif(
    not (ROOT / "playbill/__init__.py").exists(), reason="playbill/__init__.py is not written yet"
)


@dataclass(frozen=True)
class Module:
    """One source file; ``name`` is its path below the root, such as ``model/facts.py``."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    def imports(self) -> Iterator[str]:
        """Every absolutely imported module, wherever the import stands in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def modules(root: Path = ROOT, folders: tuple[str, ...] = (*FLOORS, "playbill")) -> list[Module]:
    """The modules under ``folders``; ``playbill`` gives only its own files, not those behind its links."""
    paths = [
        path for folder in folders for path in (root / folder).glob("*.py" if folder == "playbill" else "**/*.py")
    ]
    return [of_ours(path) if root == ROOT else Module(root, path) for path in sorted(paths)]


@cache
def of_ours(path: Path) -> Module:
    """A module of this tree, which is read and parsed once for all tests."""
    return Module(ROOT, path)
