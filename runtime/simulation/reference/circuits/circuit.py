"""A plain circuit: whether anybody gets through to one target, by how calls of it have ended, and when that changes.

It knows the moments (opened at, a probe out since), not the machine's states and timers; the permits and those who
wait are its breaker's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import Verdict
from playbill.runtime.simulation.reference.attempt import EPSILON, NEVER
from playbill.runtime.simulation.reference.rules import Call, in_window, open_seconds, rates_trip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.facts import Failure, Permit
    from playbill.model.messages import HalfOpenOver, OpenOver, Settle
    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.simulation.reference.node_ground import Letters

BARRED: Final = frozenset({"open", "forced_open"})
"""Where nobody gets through until it changes."""
JUDGING: Final = frozenset({"closed", "metrics_only", "half_open"})
"""Where what ends counts."""


class Books:
    """What the circuits of one breaker share: their epochs, and the events that must come next."""

    def __init__(
        self, epoch: int, wrong: Callable[[str], None], lateness: Callable[[], float], letters: Letters
    ) -> None:
        self.epoch = epoch
        self.facts: list[tuple[EventType, dict[str, Any]]] = []
        self.wrong = wrong
        self.lateness = lateness
        self.letters = letters


class PlainCircuit:
    """The plain model of one circuit.

    Args:
        books: its breaker's.
        target: what it is about; empty: the type's own.
        policy: when it opens.
        failures: how many in a row open it, if the policy does not say.
        state: where it begins.
    """

    def __init__(
        self, books: Books, target: str, policy: BreakerPolicy, failures: int | None, state: str = "closed"
    ) -> None:
        self.books = books
        self.target = target
        self.policy = policy
        self.state = state
        self.epoch = books.epoch
        self.next_start = 0.0
        """When a rate of its own lets the next one start."""
        self.draw = 0.5
        self.last_failure: Failure | None = None
        self.probes = 0
        self._failures_to_open = failures if policy.failures == "default" else policy.failures
        self._is_windowed = policy.failure_rate is not None or policy.slow_rate is not None
        self._calls: list[Call] = []
        self._failures = self._openings = self._good_probes = 0
        self._until = 0.0
        """When the open time, or the wait for a probe, is over."""

    @property
    def is_shut(self) -> bool:
        """Whether nobody gets through now."""
        if self.state != "half_open":
            return self.state in BARRED
        return self.probes + self._good_probes >= self.policy.half_open_permits

    @property
    def is_like_new(self) -> bool:
        """Whether its past makes no difference."""
        counts = self._failures and self._failures_to_open is not None
        return not (counts or self._openings or self._is_windowed)

    def retry_after(self, now: float) -> float:
        """Return the seconds that a refusal must name."""
        return max(0.0, self._until - now) if self.state in {"open", "half_open"} else NEVER

    def granted(self, now: float) -> None:
        """Count a permit that is given."""
        if self.state == "half_open":
            self.probes += 1
            if self.probes == 1:
                self._until = now + self.policy.half_open_max_wait_seconds

    def given_back(self, permit: Permit) -> None:
        """Take a permit back without a verdict."""
        if permit.epoch == self.epoch and self.probes:
            self.probes -= 1

    def judge(self, message: Settle, now: float) -> None:
        """Judge by how a call of this epoch has ended."""
        verdict = message.verdict
        if self.probes:
            self.probes -= 1
        counts = self.state in JUDGING
        if verdict is Verdict.FAILURE or (verdict is Verdict.LOST and self.state == "half_open"):
            self.last_failure = message.failure or self.last_failure if counts else self.last_failure
        if self.state == "half_open":
            self._judge_probe(verdict, now)
        elif counts and (verdict is Verdict.SUCCESS or verdict is Verdict.FAILURE):
            self._failures = 0 if verdict is Verdict.SUCCESS else self._failures + 1
            if self._trips(message, now) and self.state == "closed":
                self._open(now)

    def _judge_probe(self, verdict: Verdict, now: float) -> None:
        if verdict is Verdict.SUCCESS:
            self._good_probes += 1
            if self._good_probes == self.policy.half_open_permits:
                self._openings = 0
                self._become("closed", EventType.BREAKER_CLOSED)
        elif verdict in {Verdict.FAILURE, Verdict.LOST}:
            self._open(now)

    def _trips(self, message: Settle, now: float) -> bool:
        """Tell whether this result is one too many."""
        policy, failed = self.policy, message.verdict is Verdict.FAILURE
        if self._is_windowed:
            slow = policy.slow_call_seconds is not None and message.seconds >= policy.slow_call_seconds
            self._calls = in_window(policy, [*self._calls, Call(now, failed, slow)], now)
            if rates_trip(policy, self._calls):
                return True
        most = self._failures_to_open
        return failed and most is not None and self._failures >= most

    def _open(self, now: float) -> None:
        self._openings += 1
        seconds = open_seconds(self.policy, self._openings, self.draw)
        self._until = now + seconds
        said: dict[str, Any] = {} if self.last_failure is None else {"failure": self.last_failure.brief}
        if self._openings > 1:
            said["openings"] = self._openings
        if policy := self.policy.model_dump(mode="json", exclude_defaults=True):
            said["policy"] = policy
        self._become("open", EventType.BREAKER_OPENED, {"seconds": seconds, **said})

    def _become(self, state: str, event: EventType, data: Mapping[str, Any] = NO_DATA) -> None:
        self.state = state
        self.books.epoch += 1
        self.epoch = self.books.epoch
        self._failures = self.probes = self._good_probes = 0
        self._calls = []
        about = {"target": self.target} if self.target else {}
        self.books.facts.append((event, {**data, "epoch": self.epoch, **about}))

    def force(self, state: str) -> None:
        """Be set by hand."""
        self._openings = 0
        self._become(state, EventType.BREAKER_FORCED, {"state": state})

    def open_over(self, message: OpenOver, now: float) -> int:
        """Try again, when the time has come."""
        if message.epoch == self.epoch:
            self._in_time(now, "half-open")
            self._become("half_open", EventType.BREAKER_HALF_OPENED)
        else:
            self.books.letters.late += 1
        return 0

    def half_open_over(self, message: HalfOpenOver, now: float) -> int:
        """Open again: a probe has not come back; return how many are lost."""
        lost = self.probes
        if message.epoch != self.epoch or not lost:
            self.books.letters.late += 1
        elif now >= self._until:
            self._in_time(now, "open again")
            self._open(now)
            return lost
        return 0

    def _in_time(self, now: float, what: str) -> None:
        if not self._until - EPSILON <= now <= self._until + EPSILON + self.books.lateness():
            self.books.wrong(f"it would be {what} at {now:g} s, not at {self._until:g} s")

    def check_time(self, now: float, lateness: float) -> None:
        """Find out whether it should have changed long ago."""
        timed = self.state == "open" or (self.state == "half_open" and self.probes)
        if timed and now > self._until + lateness + EPSILON:
            self.books.wrong(f"it is still {self.state} at {now:g} s, {now - self._until:g} s too long")
