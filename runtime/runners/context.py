"""What a handler is told about its run, and what it may tell back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol
from urllib.parse import quote

from msgspec import Struct

from playbill.model.errors import NodeConfigError
from playbill.model.facts import Output
from playbill.model.fields import MAX_SECONDS, is_seconds, seconds_of
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.messages import Heartbeat
from playbill.model.plain_text import repr_of
from playbill.model.wording import clip
from playbill.runtime.runners.logs.node_log import NodeLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from datetime import timedelta

    from typing_extensions import TypeVar

    from playbill.runtime.runners.logs.node_log import Lines
    from playbill.runtime.runners.program_pool import ProgramPool

    ConfigT = TypeVar("ConfigT", default=Any)
else:
    from typing import TypeVar  # Python 3.11 has no defaults, and they are read by type checkers only

    ConfigT = TypeVar("ConfigT")


class RunningAttempt(Protocol):
    """An attempt, as its handler's context uses it."""

    @property
    def number(self) -> int:
        """Which attempt of its node it is; counts from 1."""
        ...

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        ...

    @property
    def programs(self) -> ProgramPool | None:
        """Where programs wait that its handler starts by itself; None: they are its process's own."""
        ...

    @property
    def lines(self) -> Lines | None:
        """What keeps what its handler logs; None: nobody does."""
        ...

    def send(self, message: Heartbeat) -> None:
        """Tell the node's actor something, from wherever the handler runs."""

    def hide(self, text: str) -> str:
        """Return a text without what nobody may see."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds, as the handler's kind does."""
        ...


class NodeContext(Struct, Generic[ConfigT], eq=False):
    """One attempt's view of its run; `NodeContext[Config]` says what its config is."""

    _running: RunningAttempt
    attempt: int
    """Counts from 1."""
    run_id: str
    """The run's id."""
    node_id: str
    """The node's id."""
    trigger_data: Output
    """What the run was started with."""
    config: ConfigT
    """The node's config: an instance of its type's model, or the plain mapping of a type without one."""
    resources: Mapping[str, Any]
    """What the host registered: databases, agents..."""
    first_run: str | None = None
    """The first run of which this one is a retry; None: it is none."""
    trace_context: Mapping[str, str] | None = None
    """The W3C trace context that the run was started with: `traceparent`, perhaps `tracestate`; None: with none."""

    @property
    def idempotency_key(self) -> str:
        """`run_id/node_id`, each percent-encoded; fits a header.

        The same for all attempts, also after a restart, and in a retry of the run, which has that of the first run.
        """
        parts = (self.first_run or self.run_id, self.node_id)
        return "/".join(quote(part, safe="", errors="surrogatepass") for part in parts)

    @property
    def log(self) -> NodeLog:
        """A logger that names run, node and attempt; all it is told is kept with the run, too."""
        extra = {"run_id": self.run_id, "node_id": self.node_id, "attempt": self.attempt}
        return NodeLog(extra, self._running.hide, self._running.lines)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt was asked to end; for handlers in threads to poll."""
        return self._running.asked

    @property
    def programs(self) -> ProgramPool | None:
        """Where commands that the handler dispatches wait for their turn; None: they are its process's own."""
        return self._running.programs

    def heartbeat(self, progress: Any = None) -> None:
        """Say that the handler is alive: the idle timeout starts again.

        Args:
            progress: how far it is; what an output may be.

        Raises:
            NodeConfigError: JSON cannot say the progress; names the node and the place.
        """
        if progress is not None:
            try:
                progress = plain_json(progress, "heartbeat")
            except NotJson as error:
                raise NodeConfigError(f"node '{self.node_id}': its {error}") from error.__cause__
        self._running.send(Heartbeat(self.attempt, progress))

    def sleep(self, seconds: float | timedelta | str) -> Awaitable[None]:
        """Wait so many seconds: `await` it on the loop; in a thread the call waits, until the attempt shall end.

        Args:
            seconds: a number, a timedelta or a text such as `1m30s`; below 0 it is none.

        Raises:
            ValueError: it is no length of time.
        """
        wait = seconds_of(seconds)
        if is_seconds(wait):
            return self._running.sleep(wait)
        if isinstance(wait, int | float) and not isinstance(wait, bool) and wait < 0:
            return self._running.sleep(0)
        raise ValueError(f"sleep takes from 0 to {MAX_SECONDS:,.0f} seconds, not {clip(repr_of(seconds), 60)}")

    def __repr__(self) -> str:
        return f"<NodeContext {self.run_id}/{self.node_id} attempt={self.attempt}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say the same to rich, which a Struct shows all it holds: the config may have secrets in it."""
        return [("run_id", self.run_id), ("node_id", self.node_id), ("attempt", self.attempt)]


class Over:
    """A sleep that is over: awaiting it takes no time, and not awaiting it harms nobody."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()
