"""The circuit machine: whether one target of a breaker is to be tried, by how attempts at it have ended.

Told by: its breaker, which gives and takes the permits by what it answers. Tells: nobody.

Rules:

1. Failures in a row, or a rate over the window, open it; it goes half-open by its own timer, whether or not anybody
   asks. Open time grows by the policy's factor until it closes.
2. Half-open never has more permits out than allowed; each success counts, any failure or lost permit opens it again;
   ignored and cancelled give the permit back without a verdict.
3. Every change of state is a new epoch; a report from an older one changes nothing.
4. Set by hand it stays so: forced_open, disabled (verdicts are not counted), metrics_only (counted, never opens).

Here are the timers, the verdicts and the table; what it holds, and how it changes its state, is in the base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.errors import InternalError
from playbill.model.events import EventType
from playbill.model.facts import Verdict
from playbill.model.machines.circuit_base import CircuitBase
from playbill.model.machines.circuit_state import FORCED, CircuitState, Report
from playbill.model.machines.machine import late, row, table
from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, Settle

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now

S: Final = CircuitState
# Bound once, see machine.py.
SUCCESS: Final = Verdict.SUCCESS
FAILURE: Final = Verdict.FAILURE
COUNTED: Final = Report.COUNTED
STALE: Final = Report.STALE


class CircuitMachine(CircuitBase):
    """One circuit."""

    # ---- who asks ---------------------------------------------------------------------------------------------

    def let_in(self, message: Ask, now: Now, out: Outbox) -> bool:
        """Let anybody through."""
        return True

    def bar(self, message: Ask, now: Now, out: Outbox) -> bool:
        """Let nobody through."""
        return False

    def let_probe(self, message: Ask, now: Now, out: Outbox) -> bool:
        """Let a probe through while there are any."""
        return self.probes + self.successes < self.policy.half_open_permits

    # ---- verdicts ---------------------------------------------------------------------------------------------

    def settle_closed(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result; open when there are too many failures."""
        if message.permit.epoch != self.epoch:
            return STALE
        if message.verdict is SUCCESS and not self.windowed:
            self.in_a_row = 0
        elif self._trips(message, now):
            self._open(now, out)
        return COUNTED

    def settle_half_open(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a probe: enough successes close, one failure opens."""
        if message.permit.epoch != self.epoch:
            return STALE
        self.probes -= 1
        if message.verdict is SUCCESS:
            self.successes += 1
            if self.successes >= self.policy.half_open_permits:
                self._close(now, out)
        elif message.verdict in {FAILURE, Verdict.LOST}:
            self.last_failure = message.failure or self.last_failure
            self._open(now, out)
        elif self.probes == 0:
            out.drop_timer((Timer.HALF_OPEN, self.target))
        return COUNTED

    def settle_stale(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take note of nothing: it is from before it opened."""
        return STALE

    def settle_uncounted(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take note of nothing: disabled, nothing counts."""
        return COUNTED if message.permit.epoch == self.epoch else STALE

    def settle_metrics(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result; metrics_only never opens by it."""
        if message.permit.epoch != self.epoch:
            return STALE
        self._trips(message, now)
        return COUNTED

    # ---- timers and hands ---------------------------------------------------------------------------------------

    def open_over(self, message: OpenOver, now: Now, out: Outbox) -> None:
        """Try again with a few."""
        if message.epoch == self.epoch:
            self._enter(S.HALF_OPEN, EventType.BREAKER_HALF_OPENED, now, out)
        else:
            out.dead_letter(message)

    def half_open_over(self, message: HalfOpenOver, now: Now, out: Outbox) -> int:
        """Open again: probes are out too long; those that began after this was on its way have their time.

        Returns how many count as lost.
        """
        lost, left = self.probes, self.half_open_ends - now.monotonic
        if message.epoch != self.epoch or lost == 0:
            out.dead_letter(message)
        elif left > 0:
            out.set_timer((Timer.HALF_OPEN, self.target), left, message)
        else:
            self._open(now, out)
            return lost
        return 0

    def force(self, message: Force, now: Now, out: Outbox) -> None:
        """Set the state by hand.

        Raises:
            InternalError: it cannot be set to that state.
        """
        if message.state not in FORCED:
            raise InternalError(f"a circuit cannot be forced to {message.state!r}, only to {', '.join(FORCED)}")
        self.openings = 0
        self._enter(S(message.state), EventType.BREAKER_FORCED, now, out, {"state": message.state})

    ALWAYS = (row(Force, force, *FORCED), *late(OpenOver, HalfOpenOver))
    """The rows of every state."""
    TRANSITIONS = table(
        {
            S.CLOSED: [*ALWAYS, row(Ask, let_in), row(Settle, settle_closed, S.CLOSED, S.OPEN)],
            S.OPEN: [
                *ALWAYS,
                row(Ask, bar),
                row(Settle, settle_stale),
                row(OpenOver, open_over, S.HALF_OPEN, S.OPEN),
            ],
            S.HALF_OPEN: [
                *ALWAYS,
                row(Ask, let_probe),
                row(Settle, settle_half_open, S.HALF_OPEN, S.CLOSED, S.OPEN),
                row(HalfOpenOver, half_open_over, S.OPEN, S.HALF_OPEN),
            ],
            S.FORCED_OPEN: [*ALWAYS, row(Ask, bar), row(Settle, settle_stale)],
            S.DISABLED: [*ALWAYS, row(Ask, let_in), row(Settle, settle_uncounted)],
            S.METRICS_ONLY: [*ALWAYS, row(Ask, let_in), row(Settle, settle_metrics)],
        }
    )
