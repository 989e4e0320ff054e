"""How a breaker takes permits back: which verdicts count, and what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.facts import Verdict
from playbill.model.machines.breaker_base import BreakerBase
from playbill.model.machines.breaker_state import Report

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now, Permit
    from playbill.model.messages import Released, Settle

# Bound once, see machine.py.
SUCCESS: Final = Verdict.SUCCESS
FAILURE: Final = Verdict.FAILURE
COUNTED: Final = Report.COUNTED


class BreakerSettling(BreakerBase):
    """The actions of Settle and Released."""

    def _take(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take the permit back; tell whether its verdict counts."""
        permit = self.out.pop(message.permit.id, None)
        if permit is None:
            out.dead_letter(message)
            return Report.DUPLICATE
        self.counts[message.verdict] += 1
        self.draw = message.jitter
        if message.running:
            self._orphan(permit)
        if permit.epoch != self.epoch:
            return Report.STALE
        if self.probes:
            self.probes -= 1
        return COUNTED

    def _orphan(self, permit: Permit) -> None:
        """Keep the share of work that goes on, unless its end, told by another, has come first."""
        if permit.id in self.released_early:
            self.released_early.discard(permit.id)
        else:
            self.orphaned[permit.id] = permit

    def settle_closed(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result; open when there are too many failures."""
        report = self._take(message, now, out)
        if report is COUNTED:
            if message.verdict is SUCCESS and not self.windowed:
                self.in_a_row = 0
            elif self._count(message, now):
                self._open(now, out)
        if self.waiting:
            self._drain(now, out)
        return report

    def _count(self, message: Settle, now: Now) -> bool:
        """Add a result to the counts; tell whether the breaker trips."""
        verdict, policy = message.verdict, self.policy
        if verdict is SUCCESS:
            self.in_a_row = 0
        elif verdict is FAILURE:
            self.in_a_row += 1
        else:
            return False
        if self.windowed:
            self.window.add(now.monotonic, message.seconds, failed=verdict is FAILURE)
            if self.window.trips():
                return True
        return policy.failures is not None and self.in_a_row >= policy.failures

    def settle_half_open(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a probe: enough successes close, one failure opens."""
        report = self._take(message, now, out)
        if report is COUNTED:
            if message.verdict is SUCCESS:
                self.successes += 1
                if self.successes >= self.policy.half_open_permits:
                    self._close(now, out)
            elif message.verdict in {FAILURE, Verdict.LOST}:
                self._open(now, out)
            elif self.probes == 0:
                out.drop_timer(Timer.HALF_OPEN)
        self._drain(now, out)
        return report

    def settle_stale(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take back a permit from before it opened."""
        return self._take(message, now, out)

    def settle_uncounted(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take back a permit; disabled, nothing counts."""
        report = self._take(message, now, out)
        self._drain(now, out)
        return report

    def settle_metrics(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result; metrics_only never opens by it."""
        report = self._take(message, now, out)
        if report is COUNTED:
            self._count(message, now)
        self._drain(now, out)
        return report

    def released(self, message: Released, now: Now, out: Outbox) -> None:
        """Free the share of an orphan that has ended."""
        permit_id = message.permit.id
        if permit_id in self.out:
            self.released_early.add(permit_id)
        elif self.orphaned.pop(permit_id, None) is None:
            out.dead_letter(message)
        self._drain(now, out)
