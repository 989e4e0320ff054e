"""A plain model of one node, its ground: what it holds and owes, and by when.

What others must be told, recorded or done to the attempt is owed, in order, and nothing else may come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.model import messages as m
from playbill.model.facts import NodeStatus, Outcome, Verdict
from playbill.runtime.simulation.checks.names import BEGINS, FAULT, LADDER, TIMEOUTS, VERDICTS
from playbill.runtime.simulation.reference.attempt import COARSE_SECONDS, EPSILON, NEVER, AttemptModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from playbill.model.events import EventType
    from playbill.model.facts import Failure, Inputs, Now, Output, Permit
    from playbill.runtime.simulation.reference.rules import NodeRules, RunRules

LONG_SECONDS: Final = 1.0
"""Who waits so long for a slot or a permit must say so."""
IDLE: Final = frozenset({"delaying", "queued", "asking", "parked", "committing", "backing_off"})
"""Where the total timeout ends a node at once."""
FAULTED: Final = Outcome(NodeStatus.FAILED)
"""The end of a node whose actor fails."""


class Letters:
    """Counts the messages that come too late, as the model sees it."""

    __slots__ = ("late",)

    def __init__(self) -> None:
        self.late = 0
        """So far."""


class Surroundings(Protocol):
    """What a node needs of its run."""

    rules: RunRules
    run_id: str
    number: int
    trigger: Output
    wrong: Callable[[str, str], None]
    """Is told which invariant does not hold, and what broke it."""
    lateness: Callable[[], float]
    letters: Letters
    touched: dict[str, Any]
    """The nodes to look at when nothing is under way."""

    def check_kept(self, rules: NodeRules, attempt: int) -> None:
        """Find out whether the journal has all that an attempt waits for, which begins."""


class NodeGround:
    """What a node holds and owes."""

    # No slots: most of these keep their defaults, and a model is made for every node of every seed.
    at = "waiting"
    attempts: int = 0
    attempt: AttemptModel | None = None
    permit: Permit | None = None
    given_up: Permit | None = None
    """The permit of the last attempt that was given up."""
    slots_wanted: int = 0
    """How often it must ask the run for a slot."""
    begins: tuple[int, Inputs] | None = None
    """The attempt that must begin."""
    is_over = False
    """Its run has ended without it: what it gives back is nobody's concern."""
    is_given_up = False
    """Its actor has failed: whatever is done to its attempt ends it."""
    gave_up_work = False
    """An attempt was running then."""
    due = NEVER
    """Its deadline as nothing was under way last."""
    _ask_id = ""
    _has_slot = False
    _paused = False
    _failure: Failure | None = None
    _due = NEVER
    _due_at: datetime | None = None
    """The same moment on the wall."""
    _total_left = NEVER
    _total_since: float | None = None
    _waits_since: Now | None = None
    """Since when it waits for a slot or a permit."""
    _is_long = False
    """It has said that it waits for long."""

    def __init__(self, run: Surroundings, rules: NodeRules) -> None:
        self.run = run
        self.rules = rules
        self.facts: list[tuple[EventType, int, Mapping[str, Any]] | Outcome] = []
        """What the run must record of it."""
        self.mail: list[Any] = []
        """What the run must tell it, of the data lane."""
        self.orders: list[Any] = []
        """The same, of the control lane."""
        self.answers: list[Any] = []
        """What its breaker must tell it."""
        self.asked: list[tuple[Any, ...]] = []
        """What it must tell its breaker."""
        self.acts: list[str] = []
        """What must be done to its attempt."""

    @property
    def stands(self) -> str:
        """What its machine must call where it is."""
        attempt = self.attempt
        if attempt is None or attempt.asked_at is None:
            return self.at
        return "stopping" if attempt.stopped else "interrupting"

    def owes(self, *, is_gate_open: bool) -> str:
        """Say what has not come yet that must have; empty: nothing. A closed gate holds its mail back."""
        if self.facts:
            return f"be recorded: {self.facts[0]}"
        if self.asked or self.acts:
            return f"tell its breaker {self.asked[0]}" if self.asked else f"do {self.acts[0]} to its attempt"
        if self.at == "ended":
            return ""
        if self.orders or self.answers or (is_gate_open and self.mail):
            return f"be told {[*self.orders, *self.answers, *self.mail][0]}"
        if self.begins:
            return f"begin attempt {self.attempts}"
        return "ask for a slot" if self.slots_wanted else ""

    def deadline(self) -> float:
        """Return by when something must have happened to it."""
        if self.at == "waiting":
            return NEVER
        since, attempt = self._total_since, self.attempt
        total = NEVER if since is None else since + self._total_left + COARSE_SECONDS
        if attempt is not None:
            own = attempt.deadline(self.run.rules.kill_bound)
            return own if since is None or attempt.asked_at is not None else min(own, total)
        if self.at in {"delaying", "backing_off"}:
            return min(self._due, total)
        if self.at in {"queued", "parked"} and self._waits_since is not None and not self._is_long:
            return min(total, self._waits_since.monotonic + LONG_SECONDS + COARSE_SECONDS)
        return total if self.at in IDLE else NEVER

    def check_deadline(self, now: float, lateness: float) -> None:
        """Find out whether something should have happened to it long ago."""
        if now > self.deadline() + lateness + EPSILON:
            self.wrong(TIMEOUTS, f"is {self.at} at {now:g} s, and must not be after {self.deadline():g} s")

    def answer(self, message: Any) -> None:
        """Hear what its breaker must answer."""
        if self.at != "ended":
            self.answers.append(message)
            self.run.touched[self.rules.id] = self

    def too_late(self) -> None:
        """Hear of a message that comes too late to change anything: it must be counted."""
        self.run.letters.late += 1

    def wrong(self, invariant: str, text: str) -> None:
        """Say what it does wrong."""
        self.run.wrong(invariant, f"node '{self.rules.id}' {text}")

    def _attempt_of(self, message: Any) -> AttemptModel | None:
        attempt = self.attempt
        return attempt if attempt is not None and message.attempt == attempt.number else None

    # ---- its end, and its permit ----------------------------------------------------------------------------

    def _complete(self, output: Output, carried: Inputs | None = None) -> None:
        self._end(Outcome(NodeStatus.COMPLETED, self.attempts, output, carried))

    def _end(self, outcome: Outcome) -> None:
        self.at, self.attempt = "ended", None
        self.facts.append(outcome)

    def _settle(
        self,
        verdict: Verdict,
        seconds: float = 0.0,
        jitter: float = 0.5,
        *,
        running: bool = False,
        failure: Failure | None = None,
    ) -> None:
        permit, self.permit = self.permit, None
        if permit is None:
            return
        if running:
            self.given_up = permit
        self.asked.append((m.Settle, permit, verdict, seconds, jitter, running, failure))

    def _take_back(self) -> int:
        """Give back what it holds for an attempt that has not begun; return how many have."""
        if self.at in {"asking", "parked"}:
            self.asked.append((m.Withdraw, self._ask_id))
        elif self.at == "committing":
            self._settle(Verdict.CANCELLED)
            return self.attempts - 1
        return self.attempts

    def tells_breaker(self, message: m.Ask | m.Withdraw | m.Settle) -> None:
        """Compare what it tells its breaker with what it must."""
        if isinstance(message, m.Ask):
            said: tuple[Any, ...] = (m.Ask, message.ask_id, message.wait, message.target)
        elif isinstance(message, m.Settle):
            said = (
                m.Settle, message.permit, message.verdict, message.seconds, message.jitter, message.running,
                message.failure,
            )  # fmt: skip
        else:
            said = (m.Withdraw, message.ask_id)
        expected = self.asked.pop(0) if self.asked else "nothing"
        if said != expected and not self.is_over:
            invariant = BEGINS if isinstance(message, m.Ask) else VERDICTS
            self.wrong(invariant, f"told its breaker {message}, expected {expected}")

    def abandons(self, permit: Permit | None) -> None:
        """Find out whether the share of what is given up will be given back when it does end."""
        if permit != self.given_up and not self.is_over and not self.is_given_up:
            self.wrong(VERDICTS, f"gives attempt {self.attempts} up with {permit}, expected {self.given_up}")

    def fails(self) -> None:
        """Hear that its actor fails: it ends so, and gives back what it holds."""
        self.acts, self.is_given_up = [], True
        self._take_back()
        self.gave_up_work = self.attempt is not None
        if self.permit is not None:
            self._settle(Verdict.LOST, running=True)
        self.begins = None
        self._end(FAULTED)
        self.run.touched[self.rules.id] = self

    def acted(self, act: str, error: BaseException | None) -> None:
        """Compare what is done to its attempt with what must be; an error that is being handled is its actor's."""
        expected = self.acts.pop(0) if self.acts else "nothing"
        if act == expected or self.is_over or self.is_given_up:
            return
        if error is None:
            self.wrong(LADDER, f"does {act} to attempt {self.attempts}, expected {expected}")
        else:
            self.wrong(FAULT, f"fails: {error!r}")
