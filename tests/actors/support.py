"""Fake ports driven by hand: mail is carried, time passes and records are kept when the test says so."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.ports import Ports
from playbill.actors.supervisor import SupervisorActor
from playbill.model.definition import definition_from
from playbill.model.errors import JournalError
from playbill.model.events import Event
from playbill.model.facts import Failure, Now, Permit
from playbill.model.messages import CONTROL, Ask, Returned, Start
from playbill.model.plan import NodePlan, RunFacts
from playbill.model.planning import build_plan
from playbill.model.policies import BreakerPolicy, StopPolicy
from playbill.model.results import RunResult

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class HandTime:
    """A clock that stands still until it is moved, and the timers on it; implements the port Timers."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.set_timers: dict[int, tuple[float, Any, Any, bool]] = {}
        self._keys = 0

    def now(self) -> Now:
        return Now(self.seconds, EPOCH + timedelta(seconds=self.seconds))

    def set(self, now: float, delay: float, to: Any, message: object, *, coarse: bool) -> int:
        self._keys += 1
        self.set_timers[self._keys] = (now + delay, to, message, coarse)
        return self._keys

    def drop(self, timer: int) -> None:
        self.set_timers.pop(timer, None)

    def next_due(self, until: float) -> int | None:
        due = [(timer[0], key) for key, timer in self.set_timers.items() if timer[0] <= until]
        return min(due)[1] if due else None

    def names(self) -> list[str]:
        return sorted(type(message).__name__ for _, _, message, _ in self.set_timers.values())


class HandDispatcher:
    """Carries mail when `deliver` is called, and remembers what it carried."""

    def __init__(self, time: HandTime) -> None:
        self.time = time
        self.by_call = False
        """Whether reports go up at once."""
        self.control: deque[tuple[Any, Any]] = deque()
        self.data: deque[tuple[Any, Any]] = deque()
        self.carried: list[tuple[Any, Any]] = []
        self.interrupted = 0
        """How often Ctrl-C reached whoever carries the mail, as it shall reach the program."""
        self._thread = threading.get_ident()

    def post(self, to: Any, message: Any) -> None:
        (self.control if type(message) in CONTROL else self.data).append((to, message))

    def post_control(self, to: Any, message: Any) -> None:
        self.control.append((to, message))

    def call(self, to: Any, message: Any) -> Any:
        if not self.by_call:
            self.post(to, replace(message, at_once=False) if type(message) is Ask else message)
            return None
        self.carried.append((to, message))
        return to.receive(message, self.time.now())

    def inside(self) -> bool:
        return threading.get_ident() == self._thread

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        call(argument)
        return True

    def wait(self, answer: Any) -> Any:
        raise NotImplementedError("nobody awaits on a dispatcher that is driven by hand")

    def deliver(self, most: int = 10_000) -> None:
        """Carry all mail, also what is written meanwhile; or only `most` of it."""
        while most and (self.control or self.data):
            to, message = (self.control or self.data).popleft()
            self.carried.append((to, message))
            try:
                to.receive(message, self.time.now())
            except KeyboardInterrupt:
                self.interrupted += 1
            most -= 1
        assert most or not self.control, "mail without end"


class HandStream:
    """One stream of a journal that keeps nothing until it is told to."""

    def __init__(self, name: str, keeper: Any, *, slow: bool) -> None:
        self.name = name
        self.keeper = keeper
        self.slow = slow
        self.events: list[Event] = []
        self.pushes: list[int] = []
        """How many events there were whenever somebody said that they are waited for."""

    def append(self, event: Event) -> bool:
        self.events.append(event)
        return not self.slow

    def push(self) -> None:
        self.pushes.append(len(self.events))

    def keep(self, seq: int | None = None) -> None:
        """Say that all events up to `seq`, or all there are, are kept."""
        self.keeper.kept(len(self.events) if seq is None else seq)

    def types(self) -> list[str]:
        return [f"{event.type}{f' {event.node_id}' if event.node_id else ''}" for event in self.events]


class HandJournal:
    """The port Journal, slow or at once."""

    def __init__(self, *, slow: bool) -> None:
        self.slow = slow
        self.streams: dict[str, HandStream] = {}

    def open(self, stream: str, keeper: Any, kept: Any = ()) -> HandStream:
        opened = self.streams[stream] = HandStream(stream, keeper, slow=self.slow)
        return opened


@dataclass
class HandAttempt:
    """An attempt that ends when the test says so; implements the port Attempt."""

    node: str
    number: int
    inputs: Mapping[str, Any]
    reply_to: Any
    asked: list[str] = field(default_factory=list[str])
    released: Callable[[], None] | None = None

    def interrupt(self) -> None:
        self.asked.append("interrupt")

    def kill(self) -> None:
        self.asked.append("kill")

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        self.asked.append("abandon")
        if release is not None and permit is not None:
            self.released = lambda: release(permit)


class HandRunner:
    """The port Runner: remembers the attempts it was told to begin."""

    def __init__(self, time: HandTime) -> None:
        self.time = time
        self.attempts: list[HandAttempt] = []

    def begin(
        self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Mapping[str, Any], reply_to: Any
    ) -> HandAttempt:
        begun = HandAttempt(plan.id, attempt, inputs, reply_to)
        self.attempts.append(begun)
        return begun


class DeadLetterBox:
    """The port DeadLetters: keeps what it counts."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, object]] = []
        self.effects: list[tuple[str, object]] = []

    def add(self, actor: str, message: object) -> None:
        self.letters.append((actor, message))

    def undone(self, actor: str, effect: object) -> None:
        self.effects.append((actor, effect))

    def names(self) -> list[str]:
        return [f"{actor} {type(message).__name__}" for actor, message in self.letters]


class Asked:
    """What somebody outside has asked an actor, and what came of it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.is_answered = False
        answer.when_settled(self._settle)

    def _settle(self) -> None:
        self.is_answered = True

    def then(self, call: Callable[[], None]) -> None:
        """Call `call` once it is answered."""
        self._answer.when_settled(call)

    @property
    def answer(self) -> Any:
        """The answer; raises it, if it is an error."""
        assert self.is_answered
        return self._answer.result()

    @property
    def error(self) -> str:
        """What a JournalError says that is the answer."""
        with pytest.raises(JournalError) as caught:
            _ = self.answer
        return str(caught.value)


class World:
    """One run and all its ports."""

    def __init__(
        self,
        pipeline: Mapping[str, Any],
        *,
        slow: bool = False,
        guarded: bool = False,
        policy: BreakerPolicy | None = None,
        stop: StopPolicy | None = None,
        timeout: float = 3600.0,
        trigger_data: Mapping[str, Any] | None = None,
    ) -> None:
        self.time = HandTime()
        self.dispatcher = HandDispatcher(self.time)
        self.journal = HandJournal(slow=slow)
        self.runner = HandRunner(self.time)
        self.letters = DeadLetterBox()
        self.results: list[RunResult] = []
        self.ports = Ports(self.dispatcher, self.time, self.runner, self.journal, self.letters)
        unguarded = frozenset[str]() if guarded else frozenset({"work"})
        plan = build_plan(definition_from(pipeline), unguarded=unguarded, stop=stop)
        self.facts = RunFacts("r", plan, trigger_data or {})
        self.breaker = BreakerActor(self.ports, "work", policy or BreakerPolicy()) if guarded else None
        breakers = {"work": self.breaker} if self.breaker else {}
        self.run = SupervisorActor(self.ports, self.facts, timeout, breakers, self.results.append)
        self.stream = self.journal.streams["r"]

    def start(self) -> "World":
        self.run.post(Start(self.facts.trigger_data))
        return self.deliver()

    def deliver(self) -> "World":
        self.dispatcher.deliver()
        return self

    def tell(self, message: Any) -> "World":
        self.run.post(message)
        return self.deliver()

    def ask(self, message: Any, actor: Any = None) -> Asked:
        """Ask the run, or another actor, as somebody outside does."""
        asked = Asked((actor or self.run).actor_ref.ask(message, block=False))
        self.deliver()
        return asked

    def fail(self, error: str = "disk full") -> "World":
        """Say that the journal keeps nothing."""
        self.run.failed(error)
        return self.deliver()

    def keep(self, seq: int | None = None) -> "World":
        self.stream.keep(seq)
        return self.deliver()

    def advance(self, seconds: float) -> "World":
        """Let time pass, with every timer at its moment."""
        until = self.time.seconds + seconds
        while (key := self.time.next_due(until)) is not None:
            at, to, message, _ = self.time.set_timers.pop(key)
            self.time.seconds = max(at, self.time.seconds)
            self.dispatcher.post(to, message)
            self.deliver()
        self.time.seconds = until
        return self

    def node(self, node: str) -> NodeActor:
        return self.run.nodes[node]

    def attempt(self, node: str) -> HandAttempt:
        """The newest attempt of a node."""
        return next(attempt for attempt in reversed(self.runner.attempts) if attempt.node == node)

    def begun(self) -> list[str]:
        return [attempt.node for attempt in self.runner.attempts]

    def returns(self, node: str, output: Mapping[str, Any] | None = None) -> "World":
        attempt = self.attempt(node)
        self.dispatcher.post(attempt.reply_to, Returned(attempt.number, self.time.seconds, output or {"by": node}))
        return self.deliver()

    def fails(self, node: str, failure: Failure | None = None) -> "World":
        attempt = self.attempt(node)
        failure = failure or Failure("Boom", "it broke", retryable=False)
        self.dispatcher.post(attempt.reply_to, Returned(attempt.number, self.time.seconds, None, failure))
        return self.deliver()

    def interrupted(self, node: str) -> "World":
        attempt = self.attempt(node)
        self.dispatcher.post(attempt.reply_to, Returned(attempt.number, self.time.seconds))
        return self.deliver()

    @property
    def result(self) -> RunResult:
        (result,) = self.results
        return result

    def statuses(self) -> dict[str, str]:
        return {node: str(result.status) for node, result in self.result.node_results.items()}

    def close(self) -> None:
        """Leave nothing in pykka's registry."""
        self.run.close()
        if self.breaker:
            self.breaker.close()


def work(node: str, **more: Any) -> dict[str, Any]:
    return {"id": node, "type": "work", **more}


def pipeline(*nodes: dict[str, Any], edges: str = "", **more: Any) -> dict[str, Any]:
    """A pipeline of these nodes; edges are written `a>b b>c`."""
    pairs = [edge.split(">") for edge in edges.split()]
    return {"nodes": [*nodes], "edges": [{"from": a, "to": b} for a, b in pairs], **more}


def chain(*names: str, **more: Any) -> dict[str, Any]:
    edges = " ".join(f"{a}>{b}" for a, b in pairwise(names))
    return pipeline(*(work(name) for name in names), edges=edges, **more)
