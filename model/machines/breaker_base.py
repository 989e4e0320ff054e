"""What a circuit breaker holds, how it grants and parks, and how it changes its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.facts import Permit, Verdict
from playbill.model.machines.breaker_state import CircuitState
from playbill.model.machines.machine import Machine
from playbill.model.machines.window import Window
from playbill.model.messages import Granted, HalfOpenOver, OpenOver, Parked, RateDue, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Ask
    from playbill.model.policies import BreakerPolicy

S: Final = CircuitState
# Bound once, see machine.py.
HALF_OPEN: Final = S.HALF_OPEN
FOREVER: Final = float("inf")


class BreakerBase(Machine[CircuitState]):
    """What a breaker holds, and how it gives it out."""

    INITIAL = S.CLOSED

    def __init__(self, key: str, policy: BreakerPolicy, *, epoch: int = 0, seq: int = 0) -> None:
        self.key = key
        self.policy = policy
        self.epoch = epoch
        self.seq = seq
        self.unlimited = policy.max_concurrent is None and policy.rate is None
        self.windowed = policy.failure_rate is not None or policy.slow_rate is not None
        self.waiting: dict[str, Ask] = {}
        self.out: dict[str, Permit] = {}
        """Permits not settled, by id."""
        self.orphaned: dict[str, Permit] = {}
        """Permits settled whose work goes on: they keep their share of the concurrency."""
        self.released_early: set[str] = set()
        """Permits whose runner has told of the work's end before their node gave it up."""
        self.counts = dict.fromkeys(Verdict, 0)
        self.in_a_row: int = 0
        self.window = Window(policy)
        self.openings = 0
        self.open_ends = 0.0
        self.half_open_ends = 0.0
        self.probes: int = 0
        self.successes: int = 0
        self.next_start = 0.0
        self.draw = 0.5

    def keep_shares(self, other: BreakerBase) -> None:
        """Take over what is out or goes on: its share of the concurrency stays with the work until it ends."""
        self.out = dict(other.out)
        self.orphaned = dict(other.orphaned)
        self.released_early = set(other.released_early)

    # ---- giving permits ------------------------------------------------------------------------------------------

    def _has_room(self, now: Now, out: Outbox) -> bool:
        """Tell whether concurrency and rate allow a start now; if only the rate does not, wait for it."""
        policy = self.policy
        limit = policy.max_concurrent
        if limit is not None and len(self.out) + len(self.orphaned) >= limit:
            return False
        if policy.rate is None or self.next_start <= now.monotonic:
            return True
        out.set_timer(Timer.RATE, self.next_start - now.monotonic, RateDue())
        return False

    def _probes_left(self) -> int:
        return self.policy.half_open_permits - self.probes - self.successes

    def _grant(self, ask: Ask, now: Now, out: Outbox) -> None:
        permit = Permit(self.key, self.epoch, ask.ask_id)
        self.out[ask.ask_id] = permit
        if not self.unlimited and self.policy.rate is not None:
            self.next_start = max(now.monotonic, self.next_start) + 1 / self.policy.rate
        if self.state is HALF_OPEN:
            self.probes += 1
            if self.probes == 1:
                wait = self.policy.half_open_max_wait_seconds
                self.half_open_ends = now.monotonic + wait
                out.set_timer(Timer.HALF_OPEN, wait, HalfOpenOver(self.epoch))
        out.tell(ask.reply_to, Granted(permit))

    def _park(self, ask: Ask, out: Outbox) -> None:
        self.waiting[ask.ask_id] = ask
        out.tell(ask.reply_to, Parked(ask.ask_id))

    def _refuse(self, ask: Ask, now: Now, out: Outbox) -> None:
        ends = {S.OPEN: self.open_ends, HALF_OPEN: self.half_open_ends}.get(self.state, FOREVER)
        out.tell(ask.reply_to, Refused(ask.ask_id, self.key, max(0.0, ends - now.monotonic)))

    def _drain(self, now: Now, out: Outbox) -> None:
        """Grant to those who wait, as far as there is room."""
        if self.state in {S.OPEN, S.FORCED_OPEN}:
            return
        while self.waiting:
            if self.state is HALF_OPEN and self._probes_left() <= 0:
                return
            if not self._has_room(now, out):
                return
            ask = self.waiting.pop(next(iter(self.waiting)))
            self._grant(ask, now, out)

    # ---- changing state ------------------------------------------------------------------------------------------

    def _open(self, now: Now, out: Outbox) -> None:
        self.openings += 1
        seconds = self.policy.open_for(self.openings, self.draw)
        self.open_ends = now.monotonic + seconds
        self._enter(S.OPEN, EventType.BREAKER_OPENED, now, out, {"seconds": seconds})
        out.set_timer(Timer.OPEN, seconds, OpenOver(self.epoch))
        self._refuse_waiting(now, out)

    def _close(self, now: Now, out: Outbox) -> None:
        self.openings = 0
        self._enter(S.CLOSED, EventType.BREAKER_CLOSED, now, out)

    def _enter(
        self, state: CircuitState, event: EventType, now: Now, out: Outbox, data: Mapping[str, Any] = NO_DATA
    ) -> None:
        """Begin a new epoch in `state`."""
        self.become(state)
        self.epoch += 1
        self.in_a_row = self.probes = self.successes = 0
        self.window = Window(self.policy)
        out.drop_timer(Timer.OPEN)
        out.drop_timer(Timer.HALF_OPEN)
        self.seq += 1
        data = {**data, "epoch": self.epoch}
        out.record(Event(event, f"breaker:{self.key}", self.seq, now.utc, None, None, data))

    def _refuse_waiting(self, now: Now, out: Outbox) -> None:
        """Tell those who would rather fail than wait that it is open."""
        if self.state in {S.OPEN, S.FORCED_OPEN}:
            for ask in [ask for ask in self.waiting.values() if not ask.wait]:
                del self.waiting[ask.ask_id]
                self._refuse(ask, now, out)

    def __repr__(self) -> str:
        return (
            f"<BreakerMachine {self.key} {self.state} epoch={self.epoch} in_a_row={self.in_a_row}"
            f" out={len(self.out)} waiting={len(self.waiting)}>"
        )
