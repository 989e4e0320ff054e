"""Mutants that each break one promise: a simulation that misses one of them does not watch that promise.

Twenty are found by exploring, and those of CRASHING by exploring crashes.
"""

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
        "self._wait_for_due(delay, now.after(delay), now, out)",
        "self._wait_for_due(0.0, now.after(delay), now, out)",
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

CRASHING: Final = (
    Fixed(
        "an event is shown before it is kept",
        "runtime/journals/sqlite/stream.py",
        "if self.refused is None:",
        "MemoryStream.append(self, event)\n        if self.refused is None:",
    ),
    Fixed(
        "an answer is given before it is kept",
        "actors/recording.py",
        "if not self.gate.closed or isinstance(message, PROXY):",
        "if True:",
    ),
    Fixed(
        "a start is answered before it is kept",
        "runtime/recovery/durable_runs.py",
        "await until_kept(kept,",
        "return run\n        await until_kept(kept,",
    ),
    Fixed(
        "a lost attempt begins again although on_crash is fail",
        "model/machines/node_joining.py",
        "if past.was_running and self.plan.commits:",
        "if False:",
    ),
    Fixed(
        "a node that has ended begins again after a crash",
        "model/machines/supervisor_routing.py",
        "if target in self.run.live:",
        "if False:",
    ),
    Fixed(
        "each attempt has an idempotency key of its own",
        "runtime/runners/context.py",
        "parts = (self.first_run or self.run_id, self.node_id)",
        "parts = (self.first_run or self.run_id, self.node_id, str(self.attempt))",
    ),
    Fixed(
        "a breaker is closed again after a crash",
        "runtime/breakers.py",
        "            if past.standing:",
        "            if False:",
    ),
    Fixed(
        "an outage counts as run time",
        "model/past.py",
        "self._seconds, self._since = self.seconds, event.at",
        "self._seconds, self._since = self._seconds_at(event.at), event.at",
    ),
    Fixed(
        "a clock that was set back makes waits longer",
        "model/messages.py",
        "return min(max(0.0, (self.due_at - now.utc).total_seconds()), self.length)",
        "return max(0.0, (self.due_at - now.utc).total_seconds())",
    ),
    Fixed(
        "time goes back within a run",
        "model/machines/supervisor_base.py",
        "at = max(at, run.at)",
        "pass",
    ),
    Fixed(
        "a run that has ended is taken up again",
        "runtime/journals/index.py",
        'return {"status": ENDS[kind], "ended_at": event.at, "wake_at": None}',
        'return {"ended_at": event.at}',
    ),
    Fixed(
        "what came before a crash is not carried on",
        "model/machines/supervisor_recovery.py",
        "live, self.run.carried_by(node)",
        "live, {}",
    ),
    Fixed(
        "a lost attempt is charged to max_attempts",
        "model/machines/supervisor_recovery.py",
        "past.lost[node],",
        "0,",
    ),
    Fixed(
        "one crash is enough to set a run aside",
        "runtime/recovery/obstacles.py",
        "if past.crashes[node] + 1 >= MAX_CRASHES:",
        "if True:",
    ),
)
"""Mutants of what outlives a process, each found by crashes alone."""
