"""What a score prints while it runs and at its end."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from tests.mutants.scores import SOON
from tests.mutants.targets import SIMULATION

if TYPE_CHECKING:
    from tests.mutants.scores import Score, Tally

PROGRESS_SECONDS: Final = 20.0


class Progress:
    """A line now and then."""

    def __init__(self, mutants: int) -> None:
        self.mutants = mutants
        self.began = self.said = monotonic()

    def tells(self, score: Score) -> bool:
        """Say how far it is, unless that was just said; tell whether it did."""
        now = monotonic()
        if now - self.said < PROGRESS_SECONDS and len(score.ran) < self.mutants:
            return False
        self.said = now
        total = score.total
        print(
            f"{now - self.began:6,.0f} s  {len(score.ran):>5,} of {self.mutants:,}  {total.killed:,} killed  "
            f"{total.survived:,} survived  {total.score:.1%}",
            flush=True,
        )
        return True


def describe(score: Score, share: str) -> str:
    """Return the table, who survived, and the score against its goal."""
    lines = [f"{'module':<40} {'mutants':>8} {'killed':>8} {'survived':>9} {'equivalent':>11} {'score':>7}"]
    lines += [_row(module, tally) for module, tally in score.tallies().items()]
    lines.append(_row("in all", score.total))
    if score.survivors:
        lines += ["", "survived:", *map(str, score.survivors)]
    verdict = f"the goal is {score.kind.goal:.0%}: {'reached' if score.reached else 'missed'}"
    lines += ["", f"{score.kind.title}: {score.total.score:.1%} of {share}, {verdict}"]
    if score.kind is SIMULATION:
        lines.append(f"within {SOON} seeds in all: {score.soon:.1%}")
    return "\n".join(lines)


def _row(name: str, tally: Tally) -> str:
    return (
        f"{name:<40} {tally.mutants:>8,} {tally.killed:>8,} {tally.survived:>9,} {tally.equivalent:>11,} "
        f"{tally.score:>7.1%}"
    )
