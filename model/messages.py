"""The messages actors are told, each with its one lane: control overtakes data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from playbill.model.facts import value

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.facts import Failure, Inputs, Outcome, Output, Permit, Receipt, Verdict

Token: TypeAlias = Any
"""An address: machines copy it and never look inside; the shell resolves it."""


# ---- to a supervisor ------------------------------------------------------------------------------------------


@value
class Start:
    """Begin the run; `trigger_data` was checked against the definition's inputs."""

    trigger_data: Output


@value
class Cancel:
    """Stop the run: `grace` seconds for handlers to clean up, None for the run's default."""

    source: str
    reason: str = ""
    grace: float | None = None


@value
class Pause:
    """Begin nothing more until Resume; told to supervisors, and by them to nodes."""


@value
class Resume:
    """Go on after a Pause."""


@value
class JournalFailed:
    """The journal keeps nothing at present: hold the nodes."""

    error: str


@value
class JournalBack:
    """The journal has kept all that was waiting."""


@value
class DeadlineReached:
    """The run's timeout has passed (timer)."""


@value
class StopOverdue:
    """The ladder's bound has passed and nodes have not ended (timer)."""


@value
class SlotWanted:
    """A node wants one of the run's slots."""

    node: str


@value
class AttemptReady:
    """A node begins attempt `attempt` (or, with on_crash fail, waits for Proceed); delays say when they end."""

    node: str
    attempt: int
    due_at: datetime | None = None


@value
class Retrying:
    """Attempt `attempt` failed and the next begins at `due_at`."""

    node: str
    attempt: int
    due_at: datetime
    failure: Failure
    receipt: Receipt | None = None
    """How the attempt was ended, if it timed out."""


@value
class Ended:
    """A node has ended: told exactly once."""

    node: str
    outcome: Outcome


# ---- to a node ------------------------------------------------------------------------------------------------


@value
class Input:
    """A live edge: what its source carries. `source` None: a root's start."""

    source: str | None
    values: Inputs


@value
class Skip:
    """A dead edge."""

    source: str


@value
class Stop:
    """End within `grace` seconds, then be killed."""

    grace: float


@value
class SlotGranted:
    """The run slot asked for."""


@value
class Proceed:
    """The journal has kept the start of attempt `attempt`: begin it."""

    attempt: int


@value
class Began:
    """The handler of attempt `attempt` has really started (threads may wait for a place)."""

    attempt: int


@value
class Returned:
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


@value
class Heartbeat:
    """The handler of attempt `attempt` is alive."""

    attempt: int
    progress: Any = None


@value
class AttemptOverdue:
    """The attempt's timeout has passed (timer)."""

    attempt: int


@value
class IdleOverdue:
    """The idle timeout has passed since it was set (timer)."""

    attempt: int


@value
class TotalOverdue:
    """The node's total timeout has passed (timer)."""


@value
class Due:
    """A delay or a back-off is over (timer); `attempt` is the one it followed."""

    attempt: int


@value
class GraceOver:
    """The grace of attempt `attempt` is over: kill it (timer)."""

    attempt: int


@value
class KillOverdue:
    """Attempt `attempt` outlived its kill by the kill bound: give it up (timer)."""

    attempt: int


# ---- between nodes and breakers -------------------------------------------------------------------------------


@value
class Ask:
    """Ask for a permit; `wait` True: be parked rather than refused while the circuit is open."""

    ask_id: str
    """Unique in the manager."""
    reply_to: Token
    wait: bool = False
    target: str = ""
    """What the attempt depends on; empty: nothing of its own."""


@value
class Withdraw:
    """Take back an ask that was not answered, or whose grant is on its way."""

    ask_id: str


@value
class Settle:
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


@value
class Released:
    """The work of an orphan's permit has ended at last."""

    permit: Permit


@value
class Force:
    """Set a circuit by hand: forced_open, disabled, metrics_only, or closed to let it run again."""

    state: str
    target: str | None = None
    """Its target; None: all circuits of the breaker, later ones too."""


@value
class OpenOver:
    """The open time of `epoch` is over (timer)."""

    epoch: int
    target: str = ""


@value
class HalfOpenOver:
    """The maximum wait of half-open `epoch` is over (timer)."""

    epoch: int
    target: str = ""


@value
class RateDue:
    """A start is allowed again by the rate (timer)."""

    target: str = ""


@value
class Granted:
    """The permit asked for."""

    permit: Permit


@value
class Parked:
    """The ask waits its turn."""

    ask_id: str


@value
class Refused:
    """No permit: the circuit is open, for about `retry_after` more seconds."""

    ask_id: str
    key: str
    retry_after: float
    last_failure: str = ""
    """The last that counted, in short."""


@value
class AskAgain:
    """The breaker lost its state and forgot the ask."""

    ask_id: str


CONTROL: frozenset[type] = frozenset(
    {
        Start,
        Stop,
        Cancel,
        Pause,
        Resume,
        JournalFailed,
        JournalBack,
        SlotGranted,
        Granted,
        Parked,
        Refused,
        AskAgain,
    }
)
"""The message classes of the control lane; all others are data."""

GATED: frozenset[type] = frozenset({Input, Skip, Proceed})
"""What begins work: held until the journal has the records before it."""
