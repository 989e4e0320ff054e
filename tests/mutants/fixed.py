"""Twenty mutants that each break one promise: a simulation that misses one of them does not watch that promise."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

from tests.mutants.mutant import ROOT, Planted


@dataclass(frozen=True, slots=True)
class Fixed:
    """One of them."""

    name: str
    module: str
    before: str
    """Stands exactly once in the module."""
    after: str

    def planted(self) -> Planted:
        """Return the module with the promise broken.

        Raises:
            ValueError: what is to be replaced does not stand there exactly once.
        """
        text = (ROOT / self.module).read_text(encoding="utf-8")
        if (times := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: {self.before!r} stands {times} times in {self.module}: mend the snippet")
        return Planted(self.module, ast.parse(text.replace(self.before, self.after)))


FIXED: Final = (
    Fixed(
        "max_concurrency is ignored",
        "model/machines/supervisor_slots.py",
        "and (limit is None or len(self.slot_holders) < limit)",
        "",
    ),
    Fixed(
        "a breaker's max_concurrent is ignored",
        "model/machines/capacity.py",
        "if self.max_concurrent is not None and at_work >= self.max_concurrent:",
        "if False:",
    ),
    Fixed(
        "a breaker's rate is ignored",
        "model/machines/capacity.py",
        "if self.rate is None or self.next_start <= now:",
        "if True:",
    ),
    Fixed(
        "a pause is ignored",
        "model/machines/node_pausing.py",
        "self.paused = True",
        "self.paused = False",
    ),
    Fixed(
        "what may never be retried is retried",
        "model/machines/node_base.py",
        "retryable=failure.retryable)",
        "retryable=True)",
    ),
    Fixed(
        "a retry comes without a back-off",
        "model/machines/node_base.py",
        "out.set_timer(Timer.DUE, delay, Due(self.attempts))",
        "out.set_timer(Timer.DUE, 0.0, Due(self.attempts))",
    ),
    Fixed(
        "timeout never fires",
        "model/machines/node_beginning.py",
        "out.set_timer(ATTEMPT, plan.timeout, overdue)",
        "pass",
    ),
    Fixed(
        "total_timeout never fires",
        "model/machines/node_joining.py",
        "out.set_timer(Timer.TOTAL, left, TotalOverdue())",
        "pass",
    ),
    Fixed(
        "idle_timeout never fires",
        "model/machines/node_beginning.py",
        "out.set_timer(Timer.IDLE, plan.idle_timeout, IdleOverdue(self.attempts))",
        "pass",
    ),
    Fixed(
        "a receipt says that what was killed has ended by itself",
        "model/machines/ladder.py",
        "how = Stopped.KILLED",
        "how = Stopped.COOPERATIVE",
    ),
    Fixed(
        "orphans are never named",
        "model/runstate.py",
        "self.orphans += (node.node_id,)",
        "pass",
    ),
    Fixed(
        "a result that comes too late wins",
        "model/machines/ladder.py",
        "return returned.ended <= self.won_by and not interrupted",
        "return not interrupted",
    ),
    Fixed(
        "a breaker never opens",
        "model/machines/circuit.py",
        "elif self._trips(message, now):\n            self._open(now, out)",
        "elif self._trips(message, now):\n            pass",
    ),
    Fixed(
        "a breaker goes from open straight to closed",
        "model/machines/circuit.py",
        "self._enter(S.HALF_OPEN, EventType.BREAKER_HALF_OPENED, now, out)",
        "self._close(now, out)",
    ),
    Fixed(
        "an orphan does not keep its share of the concurrency",
        "model/machines/breaker.py",
        "self.orphaned[permit.id] = permit",
        "self._free(permit)",
    ),
    Fixed(
        "who waits last is granted first",
        "model/machines/breaker_base.py",
        "head = next(iter(circuit.line.values()))",
        "head = next(reversed(circuit.line.values()))",
    ),
    Fixed(
        "a parked ask is never granted",
        "model/machines/breaker_base.py",
        "while self.lines and ",
        "while False and ",
    ),
    Fixed(
        "a failure that nothing handles does not stop the run",
        "model/machines/supervisor_base.py",
        "return not (finish and cause is not None",
        "return not (cause is not None",
    ),
    Fixed(
        "outputs are replaced by empty ones",
        "model/machines/node.py",
        "Outcome(COMPLETED, self.attempts, output)",
        "Outcome(COMPLETED, self.attempts, {})",
    ),
    Fixed(
        "what outlives its grace is not killed",
        "model/machines/node_stopping.py",
        "out.kill(self.attempts)",
        "pass",
    ),
)
