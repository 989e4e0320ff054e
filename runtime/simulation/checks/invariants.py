"""The invariants: what holds in every run of every pipeline, watched as it happens.

1. ends in time: a run ends within timeout + grace + kill bound, plus what a plan's faults made late.
2. terminal is final: nothing is recorded after the terminal event, of which there is exactly one.
3. seq gapless: the events of a stream are numbered 1, 2, 3...
4. inputs resolved: no attempt begins before the ends of its predecessors are kept (all of them; one, with join any).
5. nothing after a stop: no attempt begins once its node was told Stop, or its run has ended.
6. one outcome: each node ends at most once. 7. one winner: each attempt begins once and decides at most once.
8. outputs: they equal the reference evaluator's (reference.py).
9. half-open: never more permits out than allowed. 10. permits: those out are those that live nodes hold.
11. nothing left: no actor, timer or task of an ended run. 12. dead letters: all are counted.
13. no fault: no machine is told what its table has no row for, and no actor of ours fails.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Final

from playbill.model.events import TERMINAL, EventType
from playbill.model.machines.breaker_state import CircuitState
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import Ask
from playbill.runtime.simulation.checks.reference import disagreements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from playbill.actors.breaker import BreakerActor
    from playbill.actors.node import NodeActor
    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.events import Event
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult

    Report = Callable[[str, str], None]

IN_TIME: Final = "ends in time"
FINAL: Final = "terminal is final"
GAPLESS: Final = "seq gapless"
RESOLVED: Final = "inputs resolved"
STOPPED: Final = "nothing after a stop"
OUTCOME: Final = "one outcome"
WINNER: Final = "one winner"
OUTPUTS: Final = "outputs"
PROBES: Final = "half-open"
PERMITS: Final = "permits"
LEFT: Final = "nothing left"
LETTERS: Final = "dead letters"
FAULT: Final = "no fault"
INVARIANTS: Final = (
    IN_TIME, FINAL, GAPLESS, RESOLVED, STOPPED, OUTCOME, WINNER, OUTPUTS, PROBES, PERMITS, LEFT, LETTERS, FAULT,
)  # fmt: skip

NOBODY: Final = frozenset[str]()
HALF_OPEN: Final = CircuitState.HALF_OPEN
SLACK_SECONDS: Final = 0.1 + 0.5
"""The backstop's own margin, and the coarse timers' bucket (of the deadline and of an attempt)."""
BETWEEN: Final = frozenset({"CircuitOpen", "AttemptTimedOut", "InternalError"})
"""Failures that end a node between two attempts, too."""
TELLTALE: Final = frozenset({"cause", "error", "failure"})
"""The fields of an event's data in which a fault of ours may show."""
ENDS: Final = frozenset(
    {
        EventType.PIPELINE_NODE_COMPLETED,
        EventType.PIPELINE_NODE_FAILED,
        EventType.PIPELINE_NODE_SKIPPED,
        EventType.PIPELINE_NODE_CANCELLED,
    }
)


def check_fault(event: Event, report: Report) -> None:
    """Look for what an event says of a fault of ours."""
    data = event.data
    if event.type is EventType.BREAKER_RESET:
        report(FAULT, f"{event.stream} failed: {data['error']}")
    cause = data.get("cause")
    failure = data.get("failure") or (None if cause is None else cause.error)
    if failure is not None and failure.type == "InternalError":
        report(FAULT, f"{event.node_id or 'the run'}: {failure.message}")


class RunWatch:
    """Watches one run."""

    def __init__(self, actor: SupervisorActor, report: Report, time: Callable[[], float]) -> None:
        self.actor = actor
        self.inputs: dict[tuple[str, int], Inputs] = {}
        """What each attempt was given."""
        self._report = report
        self._time = time
        machine = actor.machine
        definition = actor.facts.plan.definition
        self._timeout = machine.timeout if isinstance(machine, SupervisorMachine) else definition.timeout
        self._seq = 0
        self._over = False
        self._began = time()
        self._paused_at: float | None = None
        self._paused = 0.0
        self._ended: set[str | None] = set()
        self._decided: set[tuple[str | None, int | None]] = set()
        self._kept: set[str | None] = set()
        self._place = 0
        self._grace = 0.0
        self._sources: defaultdict[str, list[str]] = defaultdict(list)
        for edge in definition.edges:
            self._sources[edge.to_node].append(edge.from_node)

    def recorded(self, event: Event, lateness: float) -> None:
        """Look at an event."""
        if event.seq != self._seq + 1:
            self._report(GAPLESS, f"{event.type} has seq {event.seq} after {self._seq}")
        self._seq = event.seq
        if self._over:
            self._report(FINAL, f"{event.type} was recorded after the run's terminal event")
        look = self.LOOKS.get(event.type)
        if look is not None:
            look(self, event)
            if self._over:
                self._in_time(lateness)

    def _paused_or_resumed(self, event: Event) -> None:
        if event.type is EventType.PIPELINE_RUN_PAUSED:
            self._paused_at = self._time()
        elif self._paused_at is not None:
            self._paused += self._time() - self._paused_at
            self._paused_at = None

    def _run_ended(self, _: Event) -> None:
        self._over = True

    def _node_ended(self, event: Event) -> None:
        if event.node_id in self._ended:
            self._report(OUTCOME, f"node '{event.node_id}' ended again: {event.type}")
        self._ended.add(event.node_id)

    def _completed(self, event: Event) -> None:
        self._node_ended(event)
        self._decide(event)

    def _failed(self, event: Event) -> None:
        self._node_ended(event)
        if event.data["failure"].type not in BETWEEN:
            self._decide(event)

    def _decide(self, event: Event) -> None:
        attempt = (event.node_id, event.attempt)
        if attempt in self._decided and event.attempt:
            self._report(WINNER, f"attempt {event.attempt} of node '{event.node_id}' was decided again: {event.type}")
        self._decided.add(attempt)

    def stopping(self, grace: float) -> None:
        """Hear of a stop with a grace of its own."""
        self._grace = max(self._grace, grace)

    def _in_time(self, lateness: float) -> None:
        plan = self.actor.facts.plan
        paused = self._paused + (0.0 if self._paused_at is None else self._time() - self._paused_at)
        grace = max([self._grace, plan.stop.grace, *(node.grace for node in plan.nodes.values())])
        bound = self._timeout + grace + plan.stop.kill_bound + SLACK_SECONDS + lateness + paused
        took = self._time() - self._began
        if took > bound:
            self._report(IN_TIME, f"the run took {took:g} s, its bound is {bound:g} s")

    def begun(self, plan: NodePlan, attempt: int, inputs: Inputs, node: NodeActor, stopped: bool) -> None:  # noqa: FBT001
        """Look at the beginning of an attempt."""
        key = (plan.id, attempt)
        if key in self.inputs:
            self._report(WINNER, f"attempt {attempt} of node '{plan.id}' began twice")
        self.inputs[key] = inputs
        if stopped or self.actor.ended or self._over:
            self._report(STOPPED, f"attempt {attempt} of node '{plan.id}' began after the stop")
        self._resolved(plan)

    def _resolved(self, plan: NodePlan) -> None:
        writer: Any = self.actor.writer
        events: list[Event] = writer.events
        kept = self._kept
        if self._place < len(events):
            kept.update(event.node_id for event in events[self._place :] if event.type in ENDS)
            self._place = len(events)
        sources = self._sources.get(plan.id, NOBODY)
        if kept.issuperset(sources):
            return
        missing = [source for source in sources if source not in kept]
        if not plan.joins_any or len(missing) == len(sources):
            self._report(RESOLVED, f"node '{plan.id}' began before the end of '{missing[0]}' was kept")

    LOOKS: ClassVar[Mapping[EventType, Callable[[Any, Event], None]]] = {
        EventType.PIPELINE_NODE_COMPLETED: _completed,
        EventType.PIPELINE_NODE_FAILED: _failed,
        EventType.PIPELINE_NODE_SKIPPED: _node_ended,
        EventType.PIPELINE_NODE_CANCELLED: _node_ended,
        EventType.PIPELINE_NODE_RETRYING: _decide,
        EventType.PIPELINE_RUN_PAUSED: _paused_or_resumed,
        EventType.PIPELINE_RUN_RESUMED: _paused_or_resumed,
        **dict.fromkeys(TERMINAL, _run_ended),
    }
    """How it looks at each type of event of which there is more to say than its number."""

    def over(self, result: RunResult) -> None:
        """Look at a run that has ended."""
        if not self._over:
            self._report(FINAL, f"run {result.run_id} has a result and no terminal event")
        facts: RunFacts = self.actor.facts
        for text in disagreements(facts.plan, facts.trigger_data, result, self.inputs):
            self._report(OUTPUTS, text)
        if not self.actor.ended or self.actor.timers or self.actor.nodes:
            self._report(LEFT, f"{self.actor!r} is left with timers {self.actor.timers}, nodes {self.actor.nodes}")


def check_probes(actor: BreakerActor, report: Report) -> None:
    """Count the permits that a half-open breaker has out."""
    machine = actor.machine
    if machine.state is not HALF_OPEN:
        return
    out = sum(permit.epoch == machine.epoch for permit in machine.out.values())
    if out > machine.policy.half_open_permits:
        text = f"breaker '{machine.key}' has {out} permits out of {machine.policy.half_open_permits}"
        report(PROBES, text)


def check_permits(breakers: Iterable[BreakerActor], runs: Iterable[SupervisorActor], report: Report) -> None:
    """Compare the permits that are out with those that live nodes hold; while no mail is under way."""
    holders: dict[str, set[str]] = {}
    for run in runs:
        for node in run.nodes.values():
            permit = node.machine.permit
            if permit is not None:
                holders.setdefault(permit.key, set()).add(permit.id)
    for actor in breakers:
        machine = actor.machine
        out, mine = machine.out.keys(), holders.get(machine.key, NOBODY)
        if out != mine and not actor.ended:
            odd = sorted(out ^ mine)
            report(PERMITS, f"breaker '{machine.key}': {odd} are out or held, not both")


def must_count(message: Any) -> bool:
    """Tell whether mail to an ended actor is a dead letter: an Ask is answered instead."""
    return type(message) is not Ask
