"""A world for the machines alone: mail in random order, timers in virtual time, handlers that do as they are told.

Mail keeps its order from one sender to one receiver within a lane, and control overtakes data; all else is chance.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from playbill.model.definition import PipelineDefinition
from playbill.model.effects import TimerName
from playbill.model.events import TERMINAL, Event, EventType
from playbill.model.facts import Failure, Inputs, Permit
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import (
    CONTROL,
    Ask,
    Cancel,
    JournalBack,
    JournalFailed,
    Pause,
    Recover,
    Released,
    Resume,
    Returned,
    Start,
)
from playbill.model.past import Past
from playbill.model.plan import RunFacts
from playbill.model.planning import build_plan
from playbill.model.policies import BreakerPolicy, StopPolicy
from playbill.model.results import RunResult
from playbill.model.runstate import RunState
from tests.model.machines.recorder import at

SUPERVISOR, BREAKER, OUTSIDE = "(supervisor)", "(breaker)", "(outside)"
Doing = Callable[[str, int, Inputs], "dict[str, Any] | Failure | None"]
"""What a node's attempt does: give an output, fail, or (None) never end by itself."""


@dataclass
class World:
    """One run."""

    definition: PipelineDefinition
    doing: Doing
    rng: random.Random
    chaos: float = 0.0
    """How likely each step is a pause, a resume, a cancel or a sick journal."""
    stubborn: float = 0.0
    """How likely an attempt ignores being interrupted, and being killed."""
    by_call: bool = False
    """Whether what nodes tell their supervisor and breaker is received at once; else it is mail, too."""
    hasty: bool = True
    """Whether timers may fire while there is mail and work; else time goes on only when all else is done."""
    is_calm: bool = False
    """Whoever meddled has let it go on."""
    trigger: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0
    result: RunResult | None = None
    events: list[Event] = field(default_factory=list)
    """Of the run; those that it is made with are what it was left with, and it goes on from there."""
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    """The nodes' ends, as recorded."""

    def __post_init__(self) -> None:
        plan = build_plan(self.definition, stop=StopPolicy(grace=2.0, kill_bound=1.0))
        self.facts = RunFacts("run", plan, self.trigger)
        self.fold, run = RunState(), RunState()
        for event in self.events:
            self.fold.apply(event)
            run.apply(event)
        self.supervisor = SupervisorMachine(self.facts, self.definition.timeout, run)
        self.breaker = BreakerMachine("agent", BreakerPolicy(failures=3, open_seconds=5.0, max_concurrent=3))
        self.nodes: dict[str, NodeMachine] = {}
        self.ended: set[str] = set()
        """The nodes that have ended and are not forgotten: their mail is dropped."""
        self.mail: dict[tuple[str, str, bool], deque[Any]] = {}
        self.timers: dict[tuple[str, TimerName], tuple[float, Any]] = {}
        self.attempts: dict[tuple[str, int], Inputs] = {}
        self.orphans: dict[tuple[str, int], Permit | None] = {}
        first = Recover(Past(self.events)) if self.events else Start(self.trigger)
        self.post(OUTSIDE, SUPERVISOR, first)

    # ---- the world goes on ------------------------------------------------------------------------------------

    def run(self, steps: int = 20_000) -> RunResult:
        """Let things happen until the run has ended and nobody has mail."""
        for _ in range(steps):
            if not self.step():
                break
        assert self.result is not None, (self.supervisor, self.nodes, self.mail)
        return self.result

    def step(self) -> bool:
        """Let one thing happen."""
        if self.result is None and self.rng.random() < self.chaos:
            messages = (Pause(), Resume(), JournalFailed("full"), JournalBack(), Cancel("user", grace=1.0))
            self.post(OUTSIDE, SUPERVISOR, self.rng.choice(messages))
        ready = sorted({key[1] for key, queue in self.mail.items() if queue})
        if ready and (not self.attempts or self.rng.random() < 0.8):
            self.deliver(self.rng.choice(ready))
        elif self.attempts and (not self.hasty or self.rng.random() < 0.7):
            self.end_attempt(*self.rng.choice(sorted(self.attempts)))
        elif ready:
            self.deliver(self.rng.choice(ready))
        elif self.timers:
            self.fire()
        elif self.result is None and not self.is_calm:
            self.chaos, self.is_calm = 0.0, True  # whoever meddled lets it go on
            self.post(OUTSIDE, SUPERVISOR, Resume())
            self.post(OUTSIDE, SUPERVISOR, JournalBack())
        else:
            return False
        if self.hasty and self.timers and self.rng.random() < 0.1:
            self.fire()
        return True

    def deliver(self, to: str) -> None:
        """Give one actor one message: of the control lane, if it has any."""
        queues = [(key, queue) for key, queue in self.mail.items() if key[1] == to and queue]
        urgent = [pair for pair in queues if pair[0][2]]
        _, queue = self.rng.choice(urgent or queues)
        self.receive(to, queue.popleft())

    def receive(self, to: str, message: Any) -> Any:
        machines: dict[str, Any] = {SUPERVISOR: self.supervisor, BREAKER: self.breaker, **self.nodes}
        answer: Any = None
        if to in machines and to not in self.ended:
            answer = machines[to].receive(message, at(self.now), Out(self, to))
        if to == SUPERVISOR:
            assert self.fold == self.supervisor.run
        return answer

    def end_attempt(self, node: str, attempt: int) -> None:
        """Let an attempt do what it does, if it ever does."""
        done = self.doing(node, attempt, self.attempts[node, attempt])
        if isinstance(done, Failure):
            self.bring(node, attempt, failure=done)
        elif done is not None:
            self.bring(node, attempt, output=done)
        elif self.timers:
            self.fire()

    def bring(self, node: str, attempt: int, **result: Any) -> None:
        del self.attempts[node, attempt]
        self.post(f"{node}#{attempt}", node, Returned(attempt, self.now, **result))
        if (node, attempt) in self.orphans:
            permit = self.orphans.pop((node, attempt))
            if permit is not None:
                self.post(f"{node}#{attempt}", BREAKER, Released(permit))

    def fire(self) -> None:
        """Let the next timer fire."""
        key = min(self.timers, key=lambda key: (self.timers[key][0], key))
        due, message = self.timers.pop(key)
        self.now = max(self.now, due)
        self.post(f"{key}", key[0], message)

    def post(self, sender: str, to: str, message: Any) -> None:
        self.mail.setdefault((sender, to, type(message) in CONTROL), deque()).append(message)

    def drop_timers(self, owner: str) -> None:
        self.timers = {key: timer for key, timer in self.timers.items() if key[0] != owner}


class Out:
    """The outbox of one machine of a world."""

    def __init__(self, world: World, owner: str) -> None:
        self.world = world
        self.owner = owner

    def tell(self, to: str, message: Any) -> Any:
        if self.world.by_call and to in {SUPERVISOR, BREAKER} and self.owner not in {SUPERVISOR, BREAKER}:
            return self.world.receive(to, message)
        return self.world.post(self.owner, to, message)

    def permit(self, breaker: str, ask: Ask) -> Permit | None:
        answer: Permit | None = self.tell(breaker, ask if self.world.by_call else replace(ask, at_once=False))
        return answer

    def record(self, event: Event) -> None:
        if self.owner == SUPERVISOR:
            world = self.world
            assert event.seq == len(world.events) + 1
            assert not world.events or world.events[-1].type not in TERMINAL
            world.events.append(event)
            world.fold.apply(event)
            if event.node_id and event.type not in {
                EventType.PIPELINE_NODE_WAITING,
                EventType.PIPELINE_NODE_STARTED,
                EventType.PIPELINE_NODE_RETRYING,
            }:
                world.outcomes.append((event.node_id, event.type))

    def spawn(self, node: str) -> None:
        plan = self.world.facts.plan.nodes[node]
        assert node not in self.world.nodes
        breaker = None if plan.breaker is None else BREAKER
        self.world.nodes[node] = NodeMachine(self.world.facts, plan, node, SUPERVISOR, breaker)

    def forget(self, node: str) -> None:
        self.world.ended.discard(node)
        del self.world.nodes[node]

    def begin(self, attempt: int, inputs: Inputs) -> None:
        self.world.attempts[self.owner, attempt] = inputs

    def interrupt(self, attempt: int) -> None:
        if (self.owner, attempt) in self.world.attempts and self.world.rng.random() >= self.world.stubborn:
            self.world.bring(self.owner, attempt)

    kill = interrupt

    def abandon(self, attempt: int, permit: Permit | None) -> None:
        if (self.owner, attempt) in self.world.attempts:
            self.world.orphans[self.owner, attempt] = permit
        elif permit is not None:
            self.world.post(self.owner, BREAKER, Released(permit))  # its end was on its way

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        assert delay >= 0
        self.world.timers[self.owner, name] = (self.world.now + delay, message)

    def drop_timer(self, name: TimerName) -> None:
        self.world.timers.pop((self.owner, name), None)

    def dead_letter(self, message: Any) -> None:
        """Nobody counts here."""

    def finish(self, result: RunResult | None) -> None:
        world = self.world
        world.drop_timers(self.owner)
        if self.owner == SUPERVISOR:
            world.result = result
            for node, machine in list(world.nodes.items()):
                self._give_up(node, machine)
                world.drop_timers(node)
            world.nodes.clear()
        elif self.owner in world.nodes:  # else it was forgotten already
            world.ended.add(self.owner)

    def _give_up(self, node: str, machine: NodeMachine) -> None:
        """Do what a node's actor does whose run ends without it: the share stays with the work."""
        attempt, permit = (node, machine.attempts), machine.release(Out(self.world, node))
        if permit is not None and attempt in self.world.attempts:
            self.world.orphans[attempt] = permit
        elif permit is not None:
            self.world.post(node, BREAKER, Released(permit))
