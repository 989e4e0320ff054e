"""What a handler is told about its run, and what it may tell back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, Protocol
from urllib.parse import quote

from playbill.model.messages import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Mapping, MutableMapping

    from typing_extensions import TypeVar

    from playbill.model.facts import Output
    from playbill.runtime.runners.program_pool import ProgramPool

    ConfigT = TypeVar("ConfigT", default=Any)
else:
    from typing import TypeVar  # Python 3.11 has no defaults, and they are read by type checkers only

    ConfigT = TypeVar("ConfigT")

logger = logging.getLogger("playbill.node")


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Says in each line which node of which run speaks; run_id, node_id and attempt are in the record, too."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Add the node to the message."""
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"{extra['run_id']}/{extra['node_id']}#{extra['attempt']}: {msg}", kwargs


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

    def send(self, message: Heartbeat) -> None:
        """Tell the node's actor something, from wherever the handler runs."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds, as the handler's kind does."""
        ...


class NodeContext(Generic[ConfigT]):
    """One attempt's view of its run; `NodeContext[Config]` says what its config is."""

    __slots__ = ("_running", "attempt", "config", "node_id", "resources", "run_id", "trigger_data")

    def __init__(
        self,
        running: RunningAttempt,
        run_id: str,
        node_id: str,
        trigger_data: Output,
        config: ConfigT,
        resources: Mapping[str, Any],
    ) -> None:
        self._running = running
        self.attempt = running.number
        """Counts from 1."""
        self.run_id = run_id
        """The run's id."""
        self.node_id = node_id
        """The node's id."""
        self.trigger_data = trigger_data
        """What the run was started with."""
        self.config = config
        """The node's config: an instance of its type's model, or the plain mapping of a type without one."""
        self.resources = resources
        """What the host registered: databases, agents..."""

    @property
    def idempotency_key(self) -> str:
        """`run_id/node_id`, each percent-encoded: the same for all attempts, also after a restart; fits a header."""
        return "/".join(quote(part, safe="", errors="surrogatepass") for part in (self.run_id, self.node_id))

    @property
    def log(self) -> NodeLog:
        """A logger that names run, node and attempt."""
        extra = {"run_id": self.run_id, "node_id": self.node_id, "attempt": self.attempt}
        return NodeLog(logger, extra)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt was asked to end; for handlers in threads to poll."""
        return self._running.asked

    @property
    def programs(self) -> ProgramPool | None:
        """Where commands that the handler dispatches wait for their turn; None: they are its process's own."""
        return self._running.programs

    def heartbeat(self, progress: Any = None) -> None:
        """Say that the handler is alive: the idle timeout starts again."""
        self._running.send(Heartbeat(self.attempt, progress))

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds: `await` it on the loop; in a thread the call waits, until the attempt shall end."""
        return self._running.sleep(seconds)


class Over:
    """A sleep that is over: awaiting it takes no time, and not awaiting it harms nobody."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()
