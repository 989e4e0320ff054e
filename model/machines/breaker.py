"""The breaker machine: one circuit breaker, shared by all runs of a manager.

Told by: nodes (Ask, Withdraw, Settle), runners (Released), users (Force), its timers. Tells: nodes.

Rules:

1. One grant covers concurrency, rate and breaker; a shortage of concurrency or rate parks, first come first served.
2. Failures in a row, or a rate over the window, open it; it goes half-open by its own timer, whether or not anybody
   asks. Open time grows by the policy's factor until it closes.
3. Half-open never has more permits out than allowed; each success counts, any failure or lost permit opens it again;
   ignored and cancelled give the permit back without a verdict.
4. Every change of state is a new epoch; a report from an older one frees its share and changes nothing else.
5. A permit is settled exactly once; the answer says counted, stale or duplicate.
6. Set by hand it stays so: forced_open, disabled (verdicts are not counted), metrics_only (counted, never opens).

Here are the asks, the timers and the table; the states are in breaker_state.py, the other actions in the bases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.errors import InternalError
from playbill.model.events import EventType
from playbill.model.facts import Verdict
from playbill.model.machines.breaker_settling import BreakerSettling
from playbill.model.machines.breaker_state import FORCED, CircuitState
from playbill.model.machines.machine import late, row, table
from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, RateDue, Released, Settle, Withdraw

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now

S: Final = CircuitState


class BreakerMachine(BreakerSettling):
    """One circuit breaker."""

    def ask(self, message: Ask, now: Now, out: Outbox) -> None:
        """Grant, or park behind those who came before."""
        if not self.waiting and (self.unlimited or self._has_room(now, out)):
            self._grant(message, now, out)
        else:
            self._park(message, out)

    def ask_open(self, message: Ask, now: Now, out: Outbox) -> None:
        """Refuse, or park who would rather wait."""
        if message.wait:
            self._park(message, out)
        else:
            self._refuse(message, now, out)

    def ask_half_open(self, message: Ask, now: Now, out: Outbox) -> None:
        """Let a probe through while there are any."""
        if self._probes_left() > 0:
            self.ask(message, now, out)
        else:
            self.ask_open(message, now, out)

    def withdraw(self, message: Withdraw, now: Now, out: Outbox) -> None:
        """Forget a waiter; a grant that is on its way comes back as cancelled."""
        if self.waiting.pop(message.ask_id, None) is not None:
            return
        permit = self.out.pop(message.ask_id, None)
        if permit is None:
            out.dead_letter(message)
            return
        self.counts[Verdict.CANCELLED] += 1
        if self.probes and permit.epoch == self.epoch:
            self.probes -= 1
        self._drain(now, out)

    def rate_due(self, message: RateDue, now: Now, out: Outbox) -> None:
        """Let the next one start."""
        self._drain(now, out)

    def open_over(self, message: OpenOver, now: Now, out: Outbox) -> None:
        """Try again with a few."""
        if message.epoch != self.epoch:
            out.dead_letter(message)
            return
        self._enter(S.HALF_OPEN, EventType.BREAKER_HALF_OPENED, now, out)
        self._drain(now, out)

    def half_open_over(self, message: HalfOpenOver, now: Now, out: Outbox) -> None:
        """Count probes that are still out as lost, unless they began after this was on its way."""
        left = self.half_open_ends - now.monotonic
        if message.epoch != self.epoch or self.probes == 0:
            out.dead_letter(message)
            return
        if left > 0:
            out.set_timer(Timer.HALF_OPEN, left, message)
            return
        self.counts[Verdict.LOST] += self.probes
        self._open(now, out)

    def force(self, message: Force, now: Now, out: Outbox) -> None:
        """Set the state by hand.

        Raises:
            InternalError: it cannot be set to that state.
        """
        if message.state not in FORCED:
            raise InternalError(f"a breaker cannot be forced to {message.state!r}, only to {', '.join(FORCED)}")
        self.openings = 0
        self._enter(S(message.state), EventType.BREAKER_FORCED, now, out, {"state": message.state})
        self._refuse_waiting(now, out)
        self._drain(now, out)

    ALWAYS = (
        row(Withdraw, withdraw),
        row(Released, BreakerSettling.released),
        row(Force, force, *FORCED),
        row(RateDue, rate_due),
        *late(OpenOver, HalfOpenOver),
    )
    """The rows of every state."""
    TRANSITIONS = table(
        {
            S.CLOSED: [*ALWAYS, row(Ask, ask), row(Settle, BreakerSettling.settle_closed, S.CLOSED, S.OPEN)],
            S.OPEN: [
                *ALWAYS,
                row(Ask, ask_open),
                row(Settle, BreakerSettling.settle_stale),
                row(OpenOver, open_over, S.HALF_OPEN, S.OPEN),
            ],
            S.HALF_OPEN: [
                *ALWAYS,
                row(Ask, ask_half_open),
                row(Settle, BreakerSettling.settle_half_open, S.HALF_OPEN, S.CLOSED, S.OPEN),
                row(HalfOpenOver, half_open_over, S.OPEN, S.HALF_OPEN),
            ],
            S.FORCED_OPEN: [*ALWAYS, row(Ask, ask_open), row(Settle, BreakerSettling.settle_stale)],
            S.DISABLED: [*ALWAYS, row(Ask, ask), row(Settle, BreakerSettling.settle_uncounted)],
            S.METRICS_ONLY: [*ALWAYS, row(Ask, ask), row(Settle, BreakerSettling.settle_metrics)],
        }
    )
