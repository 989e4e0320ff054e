"""What the actors need of the world, as small Protocols: the runtime implements them, tests and simulation too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now, Permit
    from playbill.model.plan import NodePlan, RunFacts


class Receiver(Protocol):
    """Who mail is for, as a dispatcher sees it."""

    def receive(self, message: Any, now: Now) -> Any:
        """Handle one message; never raises. Returns the answer to who called."""


class Settled(Protocol):
    """An answer on its way, as a dispatcher sees it."""

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call `call` once the answer is there: in whatever thread brings it, or at once."""

    def forget(self, call: Callable[[], None]) -> None:
        """Call `call` no more."""

    def result(self) -> Any:
        """Return the answer, or raise it; only once it is there."""
        ...


class Post(Protocol):
    """The effect `tell`."""

    def __call__(self, to: Any, message: Any, /) -> None:
        """Send `message` to an actor."""


class TellAtOnce(Protocol):
    """The effect `tell`, upwards."""

    def __call__(self, to: Any, message: Any, /) -> Any:
        """Have an actor receive `message` at once, and return what it answers."""


class Dispatcher(Protocol):
    """Carries mail: one message after the other, on one thread.

    Control overtakes data (see `CONTROL` in model/messages.py); within a lane the messages of one sender to one
    receiver keep their order. A node's reports go up by `call`, orders come down by mail: so no actor is told
    anything while it is at work on something.
    """

    def post(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, soon; called on the actors' own thread."""

    def post_control(self, to: Receiver, message: Any) -> None:
        """The same, in the control lane whatever the message's class."""

    def call(self, to: Receiver, message: Any) -> Any:
        """Have `to` receive `message` within what another is at work on; return its answer.

        A dispatcher may post it instead and return None: the answer, if there is one, then comes by mail.
        """

    def inside(self) -> bool:
        """Tell whether the caller is on the actors' own thread."""
        ...

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        """From any thread: run `call(argument)` on the actors' own; False when that has ended for good."""
        ...

    def wait(self, answer: Settled) -> Awaitable[Any]:
        """Await an answer, on whatever event loop the caller runs."""
        ...


class Timers(Protocol):
    """Sets messages to be posted after a delay, and drops them."""

    def set(self, now: float, delay: float, to: Receiver, message: object, *, coarse: bool) -> Any:
        """Post `message` to `to`, `delay` seconds after `now`; a coarse timer may be a fraction of a second late.

        Returns:
            What `drop` takes.
        """

    def drop(self, timer: Any) -> None:
        """Forget a timer; harmless when it has fired."""


class Attempt(Protocol):
    """One execution of a handler, from the outside."""

    def interrupt(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it by force, as far as it can be."""

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; when it does end, or if it just has, call `release(permit)`."""


class Runner(Protocol):
    """Executes handlers."""

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt; posts to `reply_to`, on the actors' thread, Began, Heartbeat and once Returned."""
        ...


class Keeper(Protocol):
    """Who waits for a journal."""

    def kept(self, seq: int) -> None:
        """Hear, on the actors' thread, that all events up to `seq` are kept."""

    def failed(self, error: str) -> None:
        """Hear, on the actors' thread, that the journal keeps nothing now; it tries again by itself."""

    def fenced(self, error: JournalError) -> None:
        """Hear, on the actors' thread, that it keeps nothing of this stream any more: its keeper lets go of it."""


class Writer(Protocol):
    """One stream of a journal, open for appending."""

    def append(self, event: Event) -> bool:
        """Take `event`; True: it is kept already. False: the stream's keeper will hear."""
        ...

    def push(self) -> None:
        """Say that somebody waits for what was appended; without it that is kept a little later."""


class Journal(Protocol):
    """Keeps events."""

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> Writer:
        """Open a stream, of which these events are kept already."""
        ...


class DeadLetters(Protocol):
    """Counts mail that came too late for anybody."""

    def add(self, actor: str, message: object) -> None:
        """Count `message`, sent to `actor`."""

    def undone(self, actor: str, effect: object) -> None:
        """Count what the machine of `actor`, which has ended, asked for in vain."""


class Ports(Struct, frozen=True, eq=False):
    """All of them, as one manager's actors share them; each run has a runner of its own."""

    dispatcher: Dispatcher
    timers: Timers
    runner: Runner
    journal: Journal
    dead_letters: DeadLetters
    post: Post = None  # type: ignore[assignment]
    call: TellAtOnce = None  # type: ignore[assignment]
    """The dispatcher's methods, bound once for all actors."""

    def __post_init__(self) -> None:
        force_setattr(self, "post", self.post or self.dispatcher.post)
        force_setattr(self, "call", self.call or self.dispatcher.call)
