"""The journal of a load: its streams keep no event; they tell the measures what has happened and forget it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.actors.supervisor import SupervisorActor
from playbill.model.events import BREAKERS, TERMINAL, EventType
from playbill.runtime.journals.memory import MemoryJournal, MemoryStream
from playbill.runtime.simulation.load.measures import Phase, enter_phase, error_of, leave_phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playbill.actors.ports import Keeper
    from playbill.model.events import Event
    from playbill.model.plan import Plan
    from playbill.runtime.simulation.load.measures import Measures, Visit

STARTED: Final = EventType.PIPELINE_NODE_STARTED
COMPLETED: Final = EventType.PIPELINE_NODE_COMPLETED
RETRYING: Final = EventType.PIPELINE_NODE_RETRYING
FAILED: Final = EventType.PIPELINE_NODE_FAILED
WORKING: Final = int(Phase.WORKING)
BACKING_OFF: Final = int(Phase.BACKING_OFF)


class RunStream(MemoryStream):
    """The events of one run."""

    __slots__ = ("_arrived_at", "_counts", "_measures", "_time", "visits")

    def __init__(self, journal: LoadJournal) -> None:
        super().__init__(journal)
        self._measures = journal.measures
        self._time = journal.time
        self.visits: dict[str, Visit] = {}
        """The nodes that are live, by id."""
        self._arrived_at = self._time()
        self._counts = self._measures.began(self._arrived_at)

    def append(self, event: Event) -> bool:
        """Measure what it tells."""
        kind, now = event.type, self._time()
        if kind is STARTED:
            meter = self._measures.nodes[str(event.node_id)]
            enter_phase(meter, self.visits, WORKING, now)
            if meter.queue is not None:
                meter.queue.starts += 1
        elif kind is COMPLETED:
            meter = self._measures.nodes[str(event.node_id)]
            visit = self.visits.pop(meter.id)
            leave_phase(meter, visit, now)
            if self._counts and not self._measures.closed:
                meter.ended["completed"] += 1
                meter.completed(visit, now)
        elif event.node_id is not None:
            self._otherwise(event, event.node_id, now)
        elif kind in TERMINAL:
            self._over(event, now)
        return True

    def _otherwise(self, event: Event, node: str, now: float) -> None:
        """Take what happens less often: retries, failures, skips, cancels."""
        if event.type is EventType.PIPELINE_NODE_WAITING:
            return  # its phase is known already
        kind, meter = event.type, self._measures.nodes[node]
        counts = self._counts and not self._measures.closed
        if counts and kind in {RETRYING, FAILED}:
            meter.errors[error_of(event.data)] += 1
        if kind is RETRYING:
            meter.retries += counts
            enter_phase(meter, self.visits, BACKING_OFF, now)
            return
        visit = self.visits.pop(node, None)
        if visit is not None:
            leave_phase(meter, visit, now)
        if counts:
            meter.ended[kind.rpartition(".")[2]] += 1
            if visit is not None and kind is FAILED:
                meter.failed(visit, now)

    def _over(self, event: Event, now: float) -> None:
        self.closed = True
        for node, visit in self.visits.items():
            leave_phase(self._measures.nodes[node], visit, now)
        self.visits.clear()
        if not self._measures.closed:
            self._measures.over(str(event.data["status"]), self._arrived_at, now, counts=self._counts)

    def waits(self, node: str, phase: int) -> None:
        """Hear that a node waits: no event tells this."""
        enter_phase(self._measures.nodes[node], self.visits, phase, self._time())


class QuietStream(MemoryStream):
    """The events of what is not measured: a child run of another pipeline, and its breakers."""

    def append(self, event: Event) -> bool:
        """Look only whether the stream ends; keep nothing."""
        self.closed = event.type in TERMINAL
        return True

    def waits(self, node: str, phase: int) -> None:
        """Hear that a node waits, which is not measured."""


class BreakerStream(MemoryStream):
    """The events of one breaker."""

    __slots__ = ("_breaker", "_measures", "_open", "_time")

    def __init__(self, journal: LoadJournal, breaker: str) -> None:
        super().__init__(journal)
        self._breaker = breaker
        self._measures = journal.measures
        self._time = journal.time
        self._open: dict[str, set[str]] = {}
        """The open circuits' targets, by the meter's key."""

    def append(self, event: Event) -> bool:
        """Count openings, and how long any circuit of a meter is open."""
        target = event.data.get("target", "")
        meter = self._measures.queue_of(self._breaker, target)
        opens = event.type is EventType.BREAKER_OPENED or event.data.get("state") == "forced_open"
        open_ones = self._open.setdefault(meter.key, set())
        if opens:
            open_ones.add(target)
            if not meter.open.n:
                meter.open.enter(self._time())
        elif target in open_ones:
            open_ones.remove(target)
            if not open_ones:
                meter.open.leave(self._time())
        meter.openings += opens
        return True


class LoadJournal(MemoryJournal):
    """The streams of one load; `plan` is that of the runs that are measured."""

    def __init__(self, measures: Measures, plan: Plan, time: Callable[[], float]) -> None:
        super().__init__()
        self.plan = plan
        self.measures = measures
        self.time = time

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> MemoryStream:
        """Open the stream of a run or a breaker."""
        opened = self.streams[stream] = self._open(stream, keeper)
        return opened

    def _open(self, stream: str, keeper: Keeper) -> MemoryStream:
        if isinstance(keeper, SupervisorActor):
            return RunStream(self) if keeper.facts.plan is self.plan else QuietStream(self)
        breaker = stream.removeprefix(BREAKERS)
        return BreakerStream(self, breaker) if breaker in self.measures.queues else QuietStream(self)
