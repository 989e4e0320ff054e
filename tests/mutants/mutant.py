"""A mutant: one change of one module, with a name that stays and a line that shows it."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.mutants.operators import LATE, NO_ROW, OPERATORS
from tests.mutants.sites import enum_members, header, sites

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType

    from tests.mutants.operators import Change
    from tests.mutants.sites import Site

ROOT: Final = Path(__file__).resolve().parents[2]
Key = tuple[str, str, str, str, int]
"""Module, scope, before, after, the how manieth of these: what survives that lines move."""


@dataclass(frozen=True)
class Planted:
    """A module's code that is to be imported in place of its own."""

    module: str
    """Its path below the root, such as `model/facts.py`."""
    tree: ast.Module = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """What it is imported as."""
        return "playbill." + self.module.removesuffix(".py").replace("/", ".")

    @property
    def path(self) -> str:
        """Where an import finds it: behind the link."""
        return str(ROOT / "playbill" / self.module)

    def code(self) -> CodeType:
        """Compile it."""
        return compile(self.tree, self.path, "exec", dont_inherit=True)


@dataclass(frozen=True)
class Mutant(Planted):
    """One change of a module."""

    operator: str
    change: Change
    site: Site
    before: str
    after: str
    times: int
    """The how manieth of the same change in its scope, from 1."""

    @property
    def line(self) -> int:
        """Where its change begins."""
        return getattr(self.change.at or self.site.node, "lineno", 0)

    @property
    def id(self) -> str:
        """Module, line, column, operator, variant."""
        column = getattr(self.change.at or self.site.node, "col_offset", 0)
        return f"{self.module}:{self.line}:{column}:{self.operator}:{self.change.variant}"

    @property
    def key(self) -> Key:
        """What it is called by in the list of equivalent mutants."""
        return (self.module, self.site.scope, self.before, self.after, self.times)

    def code(self) -> CodeType:
        """Compile the module with the change in it."""
        with self.site.holding(_placed(self.change.node, self.site)):
            return super().code()

    def __str__(self) -> str:
        return f"{self.module}:{self.line}  {self.before}  ->  {self.after}"


def mutants_of(module: str, text: str, enums: Mapping[str, tuple[str, ...]]) -> Iterator[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    tree = ast.parse(text)
    seen: Counter[tuple[str, str, str]] = Counter()
    for site in sites(tree, enums):
        for operator, changes in OPERATORS.items():
            for change in changes(site):
                before, after = _described(site, change)
                seen[site.scope, before, after] += 1
                times = seen[site.scope, before, after]
                yield Mutant(module, tree, operator, change, site, before, after, times)


def model_enums() -> dict[str, tuple[str, ...]]:
    """Return the members of the model's enums."""
    return enum_members([ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "model").rglob("*.py")])


def _described(site: Site, change: Change) -> tuple[str, str]:
    before = header(site.shown.node)
    if isinstance(change.node, ast.Pass):
        return before, "pass"
    with site.holding(_placed(change.node, site)):
        after = header(change.node if site.shown is site else site.shown.node)
    return before, after.replace(LATE, "late").replace(NO_ROW, "(removed)")


def _placed(node: ast.AST, site: Site) -> ast.AST:
    """Give the new nodes the line of the one whose place they take."""
    ast.copy_location(node, site.node)
    ast.fix_missing_locations(node)
    return node
