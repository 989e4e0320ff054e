"""The messages actors are told, each with its one lane: control overtakes data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from playbill.model.breaker_past import BreakerPast
from playbill.model.facts import Failure, Inputs, Now, Outcome, Output, Permit, Receipt, Value, Verdict
from playbill.model.past import Past
from playbill.model.policies import BreakerPolicy

Token: TypeAlias = Any
"""An address: machines copy it and never look inside; the shell resolves it."""


# ---- to a supervisor ------------------------------------------------------------------------------------------


class Start(Value):
    """Begin the run; `trigger_data` was checked against the definition's inputs."""

    trigger_data: Output
    told: Mapping[str, Any] = {}
    """What else its first event says: what the run is pinned to, and its trace context."""


class Rested(Value, gc=False):
    """What became of a run while it was out of memory."""

    left: float
    """Seconds of its timeout."""
    stepped: float = 0.0
    """By how many seconds the clock on the wall was set meanwhile, or the machine slept."""


class Recover(Value):
    """Go on with the run where its events end: its state is folded already, and `past` is what else they tell."""

    past: Past
    told: Mapping[str, Any] = {}
    """What else its event says: who goes on with it."""
    rested: Rested | None = None
    """It was only out of memory: nothing is recorded of that."""


class Cancel(Value, gc=False):
    """Stop the run: `grace` seconds for handlers to clean up, None for the run's default."""

    source: str
    reason: str = ""
    grace: float | None = None


class Pause(Value, gc=False):
    """Begin nothing more until Resume; told to supervisors, and by them to nodes."""


class Resume(Value, gc=False):
    """Go on after a Pause."""


class Park(Value, gc=False):
    """Begin nothing more: another process will go on with the run."""


class StandDown(Value, gc=False):
    """End the attempts at work of a parked run, for another process makes them again; told behind Park."""

    grace: float | None = None
    """Seconds for handlers to clean up; None: each node's own."""
    fragile: bool = False
    """Those too that must not begin twice: they end failed."""


class JournalFailed(Value, gc=False):
    """The journal keeps nothing at present: hold the nodes."""

    error: str


class JournalBack(Value, gc=False):
    """The journal has kept all that was waiting."""


class ClockStepped(Value, gc=False):
    """The clock on the wall was set, or the machine slept: it is so many seconds ahead of before, or behind."""

    seconds: float


class DeadlineReached(Value, gc=False):
    """The run's timeout has passed (timer)."""


class StopOverdue(Value, gc=False):
    """The ladder's bound has passed and nodes have not ended (timer)."""


class SlotWanted(Value, gc=False):
    """A node wants one of the run's slots."""

    node: str


class AttemptReady(Value, gc=False):
    """A node begins attempt `attempt` (or, with on_crash fail, waits for Proceed); delays say when they end."""

    node: str
    attempt: int
    due_at: datetime | None = None
    slot_ms: int = 0
    """How long it waited for the run's slot."""
    permit_ms: int = 0
    """How long it waited for its breaker's permit."""


class StillWaiting(Value, gc=False):
    """A node has waited for a second to begin attempt `attempt`."""

    node: str
    attempt: int
    what: str
    """What for: slot, or permit."""
    key: str | None
    """Whose permit: a circuit's."""
    since: datetime


class Retrying(Value):
    """Attempt `attempt` failed and the next begins at `due_at`."""

    node: str
    attempt: int
    due_at: datetime
    failure: Failure
    receipt: Receipt | None = None
    """How the attempt was ended, if it timed out."""


class Ended(Value):
    """A node has ended: told exactly once."""

    node: str
    outcome: Outcome


# ---- to a node ------------------------------------------------------------------------------------------------


class Input(Value):
    """A live edge: what its source carries. `source` None: a root's start."""

    source: str | None
    values: Inputs


class Skip(Value, gc=False):
    """A dead edge."""

    source: str


class Recovered(Value):
    """Its past, told before its inputs and before any stop: what had begun of it when the run was left."""

    attempts: int
    lost: int
    """So many of them ended in crashes: they are not charged."""
    was_running: bool
    """Whether one was running then."""
    due_at: datetime | None = None
    """When its delay or its back-off is over."""
    length: float = 0.0
    """How many seconds that took in all."""
    failure: Failure | None = None
    """Of the last attempt that failed."""
    seconds: float = 0.0
    """How much of its total timeout is over."""

    def left(self, now: Now) -> float:
        """Return how many seconds of its delay or back-off are left: whatever the clock says, no more than in all."""
        if self.due_at is None:
            return 0.0
        return min(max(0.0, (self.due_at - now.utc).total_seconds()), self.length)


class Stop(Value, gc=False):
    """End within `grace` seconds, then be killed."""

    grace: float


class Interrupt(Value, gc=False):
    """End the attempt at work within `grace` seconds, then be killed; who has none waits on."""

    grace: float


class LookAgain(Value, gc=False):
    """The clock on the wall has gone ahead: a wait for a moment may be over sooner."""


class SlotGranted(Value, gc=False):
    """The run slot asked for."""


class Proceed(Value, gc=False):
    """The journal has kept the start of attempt `attempt`: begin it."""

    attempt: int


class Began(Value, gc=False):
    """The handler of attempt `attempt` has really started (threads may wait for a place)."""

    attempt: int


class Returned(Value):
    """An attempt has ended: with an output, a failure, or (both None) by the interruption it was sent.

    `ended` is the runner's monotonic time, so that a result from before a deadline wins over a timer that fired
    during a stall; `jitter` in [0, 1) is drawn by the runner for the back-off.
    """

    attempt: int
    ended: float
    output: Output | None = None
    failure: Failure | None = None
    jitter: float = 0.5
    begun: bool = True
    """Whether its handler's code was entered; one that was interrupted before never is."""


class Heartbeat(Value):
    """The handler of attempt `attempt` is alive."""

    attempt: int
    progress: Any = None


class AttemptOverdue(Value, gc=False):
    """The attempt's timeout has passed (timer)."""

    attempt: int


class IdleOverdue(Value, gc=False):
    """The idle timeout has passed since it was set (timer)."""

    attempt: int


class TotalOverdue(Value, gc=False):
    """The node's total timeout has passed (timer)."""


class WaitedLong(Value, gc=False):
    """The `wait`-th wait of a node, for a slot or a permit, has gone on for a second (timer)."""

    wait: int


class Due(Value, gc=False):
    """A delay or a back-off is over (timer); `attempt` is the one it followed."""

    attempt: int


class GraceOver(Value, gc=False):
    """The grace of attempt `attempt` is over: kill it (timer)."""

    attempt: int


class KillOverdue(Value, gc=False):
    """Attempt `attempt` outlived its kill by the kill bound: give it up (timer)."""

    attempt: int


# ---- between nodes and breakers -------------------------------------------------------------------------------


class Ask(Value):
    """Ask for a permit; `wait` True: be parked rather than refused while the circuit is open."""

    ask_id: str
    """Unique in the manager."""
    reply_to: Token
    wait: bool = False
    target: str = ""
    """What the attempt depends on; empty: nothing of its own."""
    at_once: bool = False
    """Who asks takes a permit as the answer to this very message; else, and later, it is told Granted."""


class Withdraw(Value, gc=False):
    """Take back an ask that was not answered, or whose grant is on its way."""

    ask_id: str


class Settle(Value):
    """Report an attempt, once. `running` True: the verdict is final but the work goes on (an orphan)."""

    permit: Permit
    verdict: Verdict
    seconds: float = 0.0
    """How long the attempt ran."""
    jitter: float = 0.5
    """A number drawn from [0, 1), should the breaker open by this."""
    running: bool = False
    failure: Failure | None = None
    """What a verdict of failure was about."""


class Released(Value, gc=False):
    """The work of an orphan's permit has ended at last."""

    permit: Permit


class Force(Value, gc=False):
    """Set a circuit by hand: forced_open, disabled, metrics_only, or closed to let it run again."""

    state: str
    target: str | None = None
    """Its target; None: all circuits of the breaker, later ones too."""


class Remember(Value):
    """Be what the breaker of this past was; told before all else."""

    past: BreakerPast


class Follow(Value):
    """Have the policies of who uses it first; told before they ask."""

    policy: BreakerPolicy
    targets: Mapping[str, BreakerPolicy]
    """Of circuits that have their own."""


class OpenOver(Value, gc=False):
    """The open time of `epoch` is over (timer)."""

    epoch: int
    target: str = ""


class HalfOpenOver(Value, gc=False):
    """The maximum wait of half-open `epoch` is over (timer)."""

    epoch: int
    target: str = ""


class RateDue(Value, gc=False):
    """A start is allowed again by the rate (timer)."""

    target: str = ""


class Granted(Value, gc=False):
    """The permit asked for."""

    permit: Permit


class Parked(Value, gc=False):
    """The ask waits its turn."""

    ask_id: str


class Refused(Value, gc=False):
    """No permit: the circuit is open, for about `retry_after` more seconds."""

    ask_id: str
    key: str
    retry_after: float
    last_failure: str = ""
    """The last that counted, in short."""


class AskAgain(Value, gc=False):
    """The breaker lost its state and forgot the ask."""

    ask_id: str


CONTROL: frozenset[type] = frozenset(
    {
        Start,
        Recover,
        Recovered,
        Stop,
        Interrupt,
        Cancel,
        Pause,
        Resume,
        Park,
        StandDown,
        ClockStepped,
        LookAgain,
        JournalFailed,
        JournalBack,
        SlotGranted,
        Follow,
        Granted,
        Parked,
        Refused,
        AskAgain,
    }
)
"""The message classes of the control lane; all others are data."""

GATED: frozenset[type] = frozenset({Input, Skip, Proceed})
"""What begins work: held until the journal has the records before it."""
