"""What a handler is told about its run, and what it may tell back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from playbill.model.messages import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Mapping, MutableMapping

    from playbill.model.facts import Output
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.runners.attempt import HandlerAttempt

logger = logging.getLogger("playbill.node")


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Says in each line which node of which run speaks; run_id, node_id and attempt are in the record, too."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Add the node to the message."""
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"{extra['run_id']}/{extra['node_id']}#{extra['attempt']}: {msg}", kwargs


class NodeContext:
    """One attempt's view of its run."""

    __slots__ = ("_config", "_held", "_plan", "_run", "attempt", "resources")

    def __init__(
        self,
        run: RunFacts,
        plan: NodePlan,
        held: HandlerAttempt,
        config: Any,
        resources: Mapping[str, Any],
    ) -> None:
        self._run = run
        self._plan = plan
        self._held = held
        self.attempt = held.number
        """Counts from 1."""
        self._config = config
        self.resources = resources
        """What the host registered: databases, agents..."""

    @property
    def config(self) -> Any:
        """The node's config: an instance of its type's model, or the plain mapping of a type without one."""
        return self._plan.node.config if self._config is None else self._config

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def node_id(self) -> str:
        """The node's id."""
        return self._plan.id

    @property
    def idempotency_key(self) -> str:
        """`run_id/node_id`: the same for all attempts, also after a restart."""
        return f"{self._run.run_id}/{self._plan.id}"

    @property
    def trigger_data(self) -> Output:
        """What the run was started with."""
        return self._run.trigger_data

    @property
    def log(self) -> NodeLog:
        """A logger that names run, node and attempt."""
        extra = {"run_id": self.run_id, "node_id": self.node_id, "attempt": self.attempt}
        return NodeLog(logger, extra)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt was asked to end; for handlers in threads to poll."""
        return self._held.asked

    def heartbeat(self, progress: Any = None) -> None:
        """Say that the handler is alive: the idle timeout starts again."""
        self._held.send(Heartbeat(self.attempt, progress))

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait: `await` it on the loop; in a thread the call itself waits, and ends when the attempt shall."""
        return self._held.sleep(seconds)


class Over:
    """A sleep that is over: awaiting it takes no time, and not awaiting it harms nobody."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()
