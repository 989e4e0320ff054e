"""The scores: who was killed, per module and in total, and what is wrong with the list of equivalent mutants."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.mutants.equivalent import EQUIVALENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.mutants.equivalent import Equivalent
    from tests.mutants.forks import Fate
    from tests.mutants.mutant import Key, Mutant
    from tests.mutants.targets import Kind

SOON: Final = 500
"""Within so many seeds in all most mutants shall be found by a simulation."""


@dataclass(slots=True)
class Tally:
    """How many of some mutants were killed."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0

    @property
    def mutants(self) -> int:
        """All of them."""
        return self.killed + self.survived + self.equivalent

    @property
    def score(self) -> float:
        """The share that was killed of those that are not equivalent."""
        counted = self.killed + self.survived
        return self.killed / counted if counted else 1.0


@dataclass(slots=True)
class Score:
    """What became of the mutants of one kind."""

    kind: Kind
    made: Sequence[Mutant]
    """Every mutant of the kind; what ran may be a part."""
    ran: list[tuple[Mutant, Fate]] = field(default_factory=list["tuple[Mutant, Fate]"])
    equivalent: Sequence[Equivalent] = EQUIVALENT

    def tallies(self) -> dict[str, Tally]:
        """Return the counts of each module."""
        found: dict[str, Tally] = {}
        for mutant, fate in sorted(self.ran, key=lambda each: each[0].module):
            tally = found.setdefault(mutant.module, Tally())
            if fate.killed:
                tally.killed += 1
            elif mutant.key in self._keys:
                tally.equivalent += 1
            else:
                tally.survived += 1
        return found

    @property
    def total(self) -> Tally:
        """The counts of all modules."""
        each = self.tallies().values()
        return Tally(sum(t.killed for t in each), sum(t.survived for t in each), sum(t.equivalent for t in each))

    @property
    def soon(self) -> float:
        """The share that was found within SOON steps."""
        total = self.total
        soon = sum(fate.killed and fate.steps <= SOON for _, fate in self.ran)
        return soon / (total.killed + total.survived) if total.killed + total.survived else 1.0

    @property
    def survivors(self) -> list[Mutant]:
        """Those that nothing found, by module and line."""
        found = [mutant for mutant, fate in self.ran if not fate.killed and mutant.key not in self._keys]
        return sorted(found, key=lambda mutant: (mutant.module, mutant.line, mutant.id))

    def rotten(self, modules: Iterable[str]) -> list[str]:
        """Return what is wrong with the list: who is killed, and of these modules who is no longer made."""
        made = {mutant.key for mutant in self.made}
        killed = {mutant.key: fate for mutant, fate in self.ran if fate.killed}
        looked = set(modules)
        return [
            f"equivalent mutant {listed.module} {listed.scope}: {listed.before}  ->  {listed.after} "
            + (f"is killed: {killed[listed.key].by}" if listed.key in killed else "is no longer made: take it out")
            for listed in self.equivalent
            if listed.key in killed or (listed.module in looked and listed.key not in made)
        ]

    @property
    def reached(self) -> bool:
        """The goal is."""
        return self.total.score >= self.kind.goal

    @property
    def _keys(self) -> set[Key]:
        return {listed.key for listed in self.equivalent}

    def as_dict(self) -> dict[str, Any]:
        """Return all results as data."""
        return {
            "kind": self.kind.name,
            "score": self.total.score,
            "goal": self.kind.goal,
            "mutants": [
                {
                    "id": mutant.id,
                    "module": mutant.module,
                    "scope": mutant.site.scope,
                    "before": mutant.before,
                    "after": mutant.after,
                    "times": mutant.times,
                    "killed": fate.killed,
                    "by": fate.by,
                    self.kind.steps: fate.steps,
                    "seconds": round(fate.seconds, 2),
                }
                for mutant, fate in sorted(self.ran, key=lambda each: (each[0].module, each[0].line, each[0].id))
            ],
        }


def survivors_in(text: str) -> set[Key]:
    """Return who survived in a file of results."""
    return {
        (each["module"], each["scope"], each["before"], each["after"], each["times"])
        for each in json.loads(text)["mutants"]
        if not each["killed"]
    }
