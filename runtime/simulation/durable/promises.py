"""What must hold of runs whose process may die: each promise is looked at when it could be broken.

It knows nothing of machines or recovery, but what is on the disk, what was told, and which attempts began.

WARNING: a clock that is set forwards counts as run time, if its process dies before the journal has that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.node import NodeActor
from playbill.actors.supervisor import SupervisorActor
from playbill.model.events import TERMINAL, EventType, is_own
from playbill.model.machines.conclusion import RUN_END_EVENTS
from playbill.model.messages import Cancel, DeadlineReached, Due, Pause, Resume, TotalOverdue
from playbill.runtime.simulation.checks.names import BARRED, BEGUN, KEPT, SAME_KEY, TOLD, WAITS
from playbill.runtime.simulation.durable.circuits import BarredCircuits

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.simulation.durable.disk import Disk

__all__ = ["Promises"]

T: Final = EventType
ENDS: Final = frozenset(
    {T.PIPELINE_NODE_COMPLETED, T.PIPELINE_NODE_FAILED, T.PIPELINE_NODE_SKIPPED, T.PIPELINE_NODE_CANCELLED}
)
ANSWERED: Final = {
    Cancel: T.PIPELINE_RUN_CANCEL_REQUESTED,
    Pause: T.PIPELINE_RUN_PAUSED,
    Resume: T.PIPELINE_RUN_RESUMED,
}
"""What is on the disk once somebody was answered that it was done."""
EPSILON: Final = 1e-3


class KeptRun:
    """What is on the disk of one run, as far as promises speak of it."""

    def __init__(self) -> None:
        self.seq = 0
        self.at: datetime | None = None
        self.types: set[EventType] = set()
        self.ended: set[str] = set()
        """The nodes that have."""
        self.started: set[tuple[str, int]] = set()
        """The attempts whose start is there."""
        self.lost: set[str] = set()
        """The nodes of which an attempt was lost in a crash."""
        self.waits: dict[str, tuple[datetime, float]] = {}
        """When the waits under way are over, and how long they take."""
        self.seconds = 0.0
        """In which processes had it that have died: at most, for pauses are a part."""
        self.stepped = 0.0
        """By how many seconds its clock was set forwards, as far as it is not kept."""
        self.since: float | None = None
        """Since when this process has it."""

    def apply(self, event: Event) -> None:
        """Go on by an event that is kept."""
        self.seq, self.at = event.seq, event.at
        self.types.add(event.type)
        node = event.node_id
        if event.type is T.PIPELINE_RUN_CLOCK_STEPPED:
            self.stepped = max(0.0, self.stepped - max(0.0, event.data["seconds"]))
        if event.type is T.PIPELINE_RUN_RECOVERED:
            self.lost |= set(event.data["attempts"])
        if node is None:
            return
        if event.type is T.PIPELINE_NODE_STARTED:
            self.started.add((node, event.attempt or 0))
        if "due_at" in event.data:
            due: datetime = event.data["due_at"]
            self.waits[node] = (due, max(0.0, (due - event.at).total_seconds()))
        elif event.type is not T.PIPELINE_NODE_WAITING:
            self.waits.pop(node, None)
        if event.type in ENDS:
            self.ended.add(node)

    @property
    def has_ended(self) -> bool:
        """Whether its terminal event is there."""
        return not TERMINAL.isdisjoint(self.types)


class Promises:
    """The promises of one simulated disk.

    Args:
        report: is told which does not hold, and what broke it.
        time: tells virtual seconds.
    """

    def __init__(self, report: Callable[[str, str], None], time: Callable[[], float]) -> None:
        self._report = report
        self._time = time
        self._runs: defaultdict[str, KeptRun] = defaultdict(KeptRun)
        self._begun: set[tuple[str, str, int]] = set()
        """The attempts of `on_crash: fail` nodes that have begun."""
        self._keys: dict[tuple[str, str], str] = {}
        self._circuits = BarredCircuits()
        self._left: dict[tuple[str, str], tuple[datetime, float]] = {}
        """The waits that were under way at the last crash, by run and node, until they are taken up."""

    # ---- what is kept -----------------------------------------------------------------------------------------

    def kept(self, event: Event) -> None:
        """Look at an event as it is kept."""
        if is_own(event.stream):
            self._circuits.kept(event)
            return
        run, said = self._runs[event.stream], f"{event.type} of run '{event.stream}'"
        if event.seq != run.seq + 1:
            self._report(KEPT, f"{said} is kept as {event.seq}, and {run.seq} is before it")
        if run.has_ended:
            self._report(KEPT, f"{said} is kept behind the run's terminal event")
        if run.at is not None and event.at < run.at:
            self._report(KEPT, f"{said} is of {event.at:%d %H:%M:%S}, and {run.at:%d %H:%M:%S} is before it")
        run.apply(event)

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded: with the first one a process has the run."""
        if is_own(event.stream):
            self._circuits.taken(event)
            return
        run = self._runs[event.stream]
        if run.since is None:
            run.since = self._time()

    def lost(self, run_id: str) -> set[str]:
        """Return the nodes of which an attempt was lost in a crash."""
        return self._runs[run_id].lost

    def is_over(self, run_id: str) -> bool:
        """Tell whether a run has ended, as far as the disk knows."""
        return self._runs[run_id].has_ended

    # ---- what is told -----------------------------------------------------------------------------------------

    def answered(self, run_id: str, message: object) -> None:
        """Look at what somebody was told to be done."""
        kind = ANSWERED[cast("Any", type(message))]
        if kind not in self._runs[run_id].types:
            self._report(TOLD, f"{type(message).__name__} of run '{run_id}' was answered, and {kind} is not kept")

    def began(self, run_id: str) -> None:
        """Look at a run that somebody has been given."""
        if not self._runs[run_id].seq:
            self._report(TOLD, f"run '{run_id}' was given, and nothing of it is kept")

    def ended(self, result: RunResult) -> None:
        """Look at the result that somebody was told."""
        run, ends = self._runs[result.run_id], RUN_END_EVENTS[result.status]
        if ends not in run.types:
            self._report(TOLD, f"run '{result.run_id}' is {result.status}, and {ends} is not kept")

    def crashed(self, journal: MemoryJournal, disk: Disk) -> None:
        """Look at what listeners have seen of a process that is dead."""
        for name, stream in journal.streams.items():
            kept = disk.streams.get(name)
            lost = [event for event in stream.events if kept is None or not kept.has(event)]
            if lost:
                self._report(TOLD, f"{lost[0].type} of '{name}' was shown, and is not kept")
        self._circuits.crashed()
        now = self._time()
        self._left = {}
        for run_id, run in self._runs.items():
            if run.since is not None:
                run.seconds += now - run.since
                run.since = None
            if not run.has_ended:
                self._left |= {(run_id, node): wait for node, wait in run.waits.items()}

    # ---- what begins ------------------------------------------------------------------------------------------

    def begins(self, facts: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs) -> None:
        """Look at an attempt that is about to begin."""
        run, node = self._runs[facts.run_id], plan.id
        said = f"attempt {attempt} of node '{node}' of run '{facts.run_id}' begins"
        self._left.pop((facts.run_id, node), None)
        if node in run.ended:
            self._report(BEGUN, f"{said} though the node's end is kept")
        if early := [source for source in inputs if source not in run.ended]:
            self._report(BEGUN, f"{said} though the end of node '{early[0]}' is not kept")
        if (circuit := self._circuits.barring(plan)) is not None:
            self._report(BARRED, f"{said} though circuit '{circuit}' let nobody through at the last crash")
        if not plan.commits:
            return
        if (node, attempt) not in run.started:
            self._report(BEGUN, f"{said} though its start is not kept, and on_crash is fail")
        if node in run.lost or (facts.run_id, node, attempt) in self._begun:
            self._report(BEGUN, f"{said} again after a crash, and on_crash is fail")
        self._begun.add((facts.run_id, node, attempt))

    def called(self, context: NodeContext) -> None:
        """Look at what a handler is told."""
        key = self._keys.setdefault((context.run_id, context.node_id), context.idempotency_key)
        if key != context.idempotency_key:
            said = f"attempt {context.attempt} of node '{context.node_id}' has the idempotency key"
            self._report(SAME_KEY, f"{said} {context.idempotency_key}, and one before {key}")

    def steps(self, seconds: float) -> None:
        """Hear that somebody sets the clock."""
        for run in self._runs.values():
            run.stepped += max(0.0, seconds)

    # ---- what waits -------------------------------------------------------------------------------------------

    def sets(self, delay: float, to: object, message: object) -> None:
        """Look at a timer that is set."""
        kind = type(message)
        if kind is Due and isinstance(to, NodeActor):
            self._waits(to, delay)
        elif kind is TotalOverdue and isinstance(to, NodeActor):
            total: Any = to.machine.plan.total_timeout
            self._times_out(to.machine.facts.run_id, f"node '{to.machine.plan.id}'", delay, total)
        elif kind is DeadlineReached and isinstance(to, SupervisorActor):
            machine: Any = to.machine
            self._times_out(to.facts.run_id, "its", delay, machine.timeout)

    def _waits(self, to: NodeActor, delay: float) -> None:
        name = (to.machine.facts.run_id, to.machine.plan.id)
        left = self._left.pop(name, None)
        if left is not None and not 0.0 <= delay <= left[1] + EPSILON:
            self._report(WAITS, f"node '{name[1]}' waits {delay:g} s after a crash, and {left[1]:g} s in all")

    def _times_out(self, run_id: str, whose: str, delay: float, timeout: float) -> None:
        run = self._runs[run_id]
        over = run.seconds + (0.0 if run.since is None else self._time() - run.since)
        least = timeout - over - run.stepped - EPSILON
        if not least <= delay <= timeout + EPSILON:
            text = f"{whose} timeout of {timeout:g} s has {delay:g} s left, after at most {over:g} s of work"
            self._report(WAITS, f"run '{run_id}': {text}")
