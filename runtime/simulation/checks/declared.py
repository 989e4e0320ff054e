"""The properties that a plan declares, as rules of one world: their CEL is evaluated over the events as they come.

An expression looks at `event` (type, node, attempt, time and data, as a file of events has them; a completed node's
has its output, also when it passes on what others gave), at `nodes` (those reached so far in that run, by id: status,
attempts, output, error) and at `trigger`. Nothing is built for events of
types that a property does not look at: what `nodes` needs is folded from the kept events when it is asked for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from playbill.model.cel_tokens import keys_read
from playbill.model.events import plain_data
from playbill.model.expressions import as_bool
from playbill.model.runstate import RunState
from playbill.runtime.faults.properties import expression_of
from playbill.runtime.journals.codec import failure_to_json
from playbill.runtime.simulation.checks.properties import Always, Eventually, LeadsTo, Observed, Property, Sometimes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from playbill.model.events import Event
    from playbill.model.results import NodeExecutionResult
    from playbill.runtime.faults.properties import DeclaredProperty

__all__ = ["declared_rules"]


Reads = tuple[tuple[str, frozenset[str] | None], ...]
"""The variables of an expression, and which of their keys it reads; None: maybe all."""


class RecordingWorld(Observed, Protocol):
    """What declared properties need of the world besides."""

    @property
    def events(self) -> Sequence[Event]:
        """All that was recorded, in order; the one that is looked at is the last."""
        ...


def declared_rules(declared: Iterable[DeclaredProperty], world: RecordingWorld) -> Iterator[Property]:
    """Yield the rules of a world that is new."""
    view = View(world)
    for each in declared:
        that = Predicate(each, each.that, view)
        if each.always is not None:
            yield Always(each.name, that, expression=each.that)
        elif each.eventually is not None:
            yield Eventually(each.name, that)
        elif each.sometimes is not None:
            yield Sometimes(each.name, that)
        else:
            yield LeadsTo(each.name, that, Predicate(each, each.to or "true", view), each.within)


@lru_cache(maxsize=4096)
def reads_of(text: str) -> Reads:
    """Return what an expression reads: the library converts each value that it is handed, which takes its time."""
    keys = {name: keys_read(text, name) for name in sorted(expression_of(text).names) if name in View.WRITES}
    return tuple((name, None if read is None else frozenset(read)) for name, read in keys.items())


class Predicate:
    """Tells whether an expression is true of an event; one of another type or node does not count."""

    __slots__ = ("_elsewhere", "_expression", "_node", "_reads", "_types", "_view", "judged")

    def __init__(self, declared: DeclaredProperty, text: str, view: View) -> None:
        self._expression = expression_of(text)
        self._reads = reads_of(text)
        self._types = frozenset(declared.on)
        self._node = declared.node
        self._elsewhere = declared.always is not None
        self._view = view
        self.judged = False
        """Whether it was asked of an event that counts."""

    def __call__(self, event: Event) -> bool:
        """Evaluate it.

        Raises:
            NodeConfigError: CEL found an error, or gave something else than a bool.
        """
        if (self._types and event.type not in self._types) or (self._node and event.node_id != self._node):
            return self._elsewhere
        self.judged = True
        expression = self._expression
        return as_bool(expression.text, expression.evaluate(self._view.variables(event, self._reads)), "expression")


class View:
    """What expressions see of one world: folded and written down when they ask for it, as little as they read."""

    def __init__(self, world: RecordingWorld) -> None:
        self._world = world
        self._runs: dict[str, RunState] = {}
        self._folded = 0

    def variables(self, event: Event, reads: Reads) -> dict[str, Any]:
        """Return the variables that an expression uses."""
        return {name: self.WRITES[name](self, event, keys) for name, keys in reads}

    def _write_event(self, event: Event, keys: Collection[str] | None) -> dict[str, Any]:
        written: dict[str, Any] = {
            "type": str(event.type),
            "node": event.node_id,
            "attempt": event.attempt,
            "time": self._world.loop.time(),
        }
        if keys is None or "data" in keys:
            written["data"] = data = plain_data(event)
            if "passed_on" in data:  # such an event names whose outputs these are, and has none of them
                data["output"] = dict(self._run(event.stream).nodes[event.node_id or ""].output or {})
        return written

    def _write_nodes(self, event: Event, keys: Collection[str] | None) -> dict[str, Any]:
        nodes = self._run(event.stream).nodes
        return {key: _describe_node(nodes[key]) for key in (nodes if keys is None else keys) if key in nodes}

    def _write_trigger(self, event: Event, keys: Collection[str] | None) -> dict[str, Any]:
        data = self._run(event.stream).trigger_data
        return {key: data[key] for key in (data if keys is None else keys) if key in data}

    WRITES: ClassVar[Mapping[str, Callable[[Any, Event, Collection[str] | None], dict[str, Any]]]] = {
        "event": _write_event,
        "nodes": _write_nodes,
        "trigger": _write_trigger,
    }
    """How each variable is written down for an event, of which these keys are read (None: maybe all)."""

    def _run(self, stream: str) -> RunState:
        """Return what has happened to a run; of a breaker's stream nothing has."""
        events = self._world.events
        for event in events[self._folded :]:
            if event.type in RunState.ROWS:
                self._runs.setdefault(event.stream, RunState()).apply(event)
        self._folded = len(events)
        return self._runs.get(stream) or RunState()


def _describe_node(node: NodeExecutionResult) -> dict[str, Any]:
    return {
        "status": str(node.status),
        "attempts": node.attempts,
        "output": None if node.output is None else dict(node.output),
        "error": failure_to_json(node.error),
    }
