"""What is mutated for which score, and the goals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.mutants.mutant import ROOT, model_enums, mutants_of
from tests.mutants.sites import is_declared

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.mutants.mutant import Mutant

POLICY_ARITHMETIC: Final = (
    "RetryPolicy.delay",
    "RetryPolicy.should_retry",
    "RetryPolicy._names_each",
    "BreakerPolicy.open_for",
    "_grow",
    "_spread",
)
RULES: Final = frozenset({"model/runstate.py", "model/plan.py", "model/planning.py", "model/policies.py"})
DECLARED: Final = frozenset({("model/machines/node.py", "ENQUEUED"), ("model/machines/node.py", "RETRIED")})
"""Where rows lead: written for readers and for the tests of the tables, and read by nothing that runs."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two scores."""

    name: str
    title: str
    goal: float
    steps: str
    """What it counts until a mutant is found."""


SIMULATION: Final = Kind("simulation", "by simulation alone", 0.90, "seeds")
TESTS: Final = Kind("tests", "by tests", 0.95, "tests")
KINDS: Final = {kind.name: kind for kind in (SIMULATION, TESTS)}


def mutants_for(kind: Kind, only: Collection[str] = ()) -> list[Mutant]:
    """Return the mutants of a score, by module and line; `only` names some of its modules."""
    enums = model_enums()
    found = []
    for path in sorted((ROOT / "model").rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        if only and module not in only:
            continue
        if kind is TESTS or is_rule(module):
            found += list(mutants_of(module, path.read_text(encoding="utf-8"), enums))
    return found if kind is TESTS else [mutant for mutant in found if _runs_in_a_simulation(mutant)]


def is_rule(module: str) -> bool:
    """Tell whether a module has rules that a simulation could see broken."""
    return module.startswith("model/machines/") or module in RULES


def _runs_in_a_simulation(mutant: Mutant) -> bool:
    scope = mutant.site.scope
    if mutant.module == "model/policies.py":
        return scope in POLICY_ARITHMETIC
    return (mutant.module, scope) not in DECLARED and not is_declared(mutant.site)


def part_of(mutants: Sequence[Mutant], part: int, parts: int) -> list[Mutant]:
    """Return every so manieth mutant, in an order that mixes the modules and is always the same."""
    mixed = sorted(mutants, key=lambda mutant: hashlib.sha256(mutant.id.encode()).digest())
    return mixed[part - 1 :: parts]
