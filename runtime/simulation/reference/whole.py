"""The reference model of everything: of each run, each of its nodes, and each circuit breaker.

It is told every message before its receiver is, every event as it is recorded, and all that is done to attempts; it
knows nothing of the machines but their messages, and says what must follow.

Not seen: runs of a world whose handlers' answers it is not told; what an actor does after its own fault; anything
once a run goes on that has a history: a retry, a fork.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.model import messages as m
from playbill.model.events import EventType
from playbill.runtime.simulation.checks.injected import is_injected
from playbill.runtime.simulation.checks.names import BEYOND, CIRCUITS, FAULT, ROUTES
from playbill.runtime.simulation.reference.circuits.breaker import PlainBreaker
from playbill.runtime.simulation.reference.node_ground import Letters
from playbill.runtime.simulation.reference.run import RunModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.actors.ports import Attempt, Receiver, Runner
    from playbill.actors.shell import Shell
    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now, Permit
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult
    from playbill.runtime.simulation.reference.node import NodeModel

FROM_NODES: Final = frozenset({m.Withdraw, m.Settle})


def _judge_nothing(_message: Any, _now: Now) -> None:
    """Take what an actor is told of whom nothing is known."""


class ReferenceModel:
    """The plain model of a simulated world.

    Args:
        report: is told which invariant does not hold, and what broke it.
        lateness: gives the seconds by which faults have made timers and messages late, in all.
    """

    def __init__(self, report: Callable[[str, str], None], lateness: Callable[[], float]) -> None:
        self._reporter = report
        self._lateness = lateness
        self.letters = Letters()
        self.is_blind = False
        """It judges nothing any more."""
        self.runs: dict[str, RunModel] = {}
        """By id: of several with one id the last."""
        self._by_actor: dict[Shell[Any], RunModel] = {}
        self._nodes: dict[Receiver, NodeModel] = {}
        self._breakers: dict[str, PlainBreaker] = {}
        self._askers: dict[str, NodeModel] = {}
        """Who asked, by ask."""
        self.tellers: dict[Receiver, Callable[[Any, Now], None]] = {}
        """What takes the messages of an actor."""

    # ---- what actors are told ---------------------------------------------------------------------------------

    def tell(self, actor: Shell[Any], message: Any, now: Now) -> None:
        """Go on by a message that an actor is about to be told."""
        if self.is_blind:
            return
        teller = self.tellers.get(actor)
        try:
            if teller is None:
                teller = self.tellers[actor] = self._teller(actor, now)
            teller(message, now)
        except Exception as error:  # noqa: BLE001 (whatever a broken machine makes of the model)
            self.fits_nothing(actor, message, error)

    def fits_nothing(self, actor: Receiver, message: Any, error: Exception) -> None:
        """Say that an actor is told what the model can make nothing of."""
        self._report(BEYOND, f"{actor!r} is told {message}: {error!r} in the model of it")

    def _teller(self, actor: Shell[Any], now: Now) -> Callable[[Any, Now], None]:
        if isinstance(actor, NodeActor):
            return self._node(actor).told
        if isinstance(actor, BreakerActor):
            return partial(self._tell_breaker, self._breaker(actor))
        supervisor = cast("SupervisorActor", actor)
        if supervisor.machine.run.seq:  # its past is not known here, nor what that lets others wait for
            self.stop_judging()
            return _judge_nothing
        run = RunModel(supervisor, self._report, self._lateness, self.letters, now)
        self._by_actor[actor] = self.runs[actor.actor_urn] = run
        return run.told

    def _node(self, actor: NodeActor) -> NodeModel:
        machine = actor.machine
        run = self.runs[machine.facts.run_id]
        if machine.plan.id not in run.nodes:
            run.wrong(ROUTES, f"node '{machine.plan.id}' is told something and was not reached")
            run.reach(machine.plan.id)
        node = self._nodes[actor] = run.nodes[machine.plan.id]
        return node

    def _breaker(self, actor: BreakerActor) -> PlainBreaker:
        key = actor.machine.key

        def wrong(text: str) -> None:
            self._report(CIRCUITS, f"breaker '{key}': {text}")

        breaker = self._breakers[actor.actor_urn] = PlainBreaker(actor, wrong, self._lateness, self.letters)
        return breaker

    def _tell_breaker(self, breaker: PlainBreaker, message: Any, now: Now) -> None:
        if breaker.is_different:
            breaker.compare()
        kind: type = message.__class__
        if kind is m.Ask:
            asker = self._askers[message.ask_id] = self._nodes[message.reply_to]
            asker.tells_breaker(message)
            permit = breaker.ask(message, asker, now.monotonic)
            if permit is not None:
                asker.takes(permit, now)
            return
        if kind in FROM_NODES:
            known = self._askers.get(message.ask_id if kind is m.Withdraw else message.permit.id)
            if known is not None:  # else it was given up, and its ask is under way still
                known.tells_breaker(message)
        row = self.BREAKER_ROWS.get(kind)
        if row is not None:
            row(breaker, message, now.monotonic)

    BREAKER_ROWS: ClassVar[Mapping[type, Callable[[PlainBreaker, Any, float], None]]] = {
        m.Withdraw: PlainBreaker.withdraw,
        m.Settle: PlainBreaker.settle,
        m.Released: PlainBreaker.released,
        m.Force: PlainBreaker.force,
        m.OpenOver: PlainBreaker.open_over,
        m.HalfOpenOver: PlainBreaker.half_open_over,
        m.RateDue: PlainBreaker.rate_due,
    }

    def fails(self, actor: Shell[Any], message: Any, now: Now) -> None:
        """Hear that an actor is about to fail over a message, as a plan says."""
        if self.is_blind:
            return
        if isinstance(actor, BreakerActor):
            breaker = self._breakers.get(actor.actor_urn) or self._breaker(actor)
            breaker.fails(message)
        elif isinstance(actor, NodeActor):
            self._node(actor).fails()
        else:
            if actor not in self.tellers:
                self.tellers[actor] = self._teller(actor, now)
            self.runs[actor.actor_urn].fails(now)

    def _report(self, invariant: str, text: str) -> None:
        if not self.is_blind:
            self._reporter(invariant, text)

    def stop_judging(self) -> None:
        """Go on without judging: somebody has ended an actor by force, and attempts under way know their nodes."""
        self.is_blind = True
        for known in (self.tellers, self.runs, self._by_actor, self._nodes, self._breakers):
            known.clear()

    # ---- what happens -----------------------------------------------------------------------------------------

    def recorded(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        run = self.runs.get(event.stream)
        if run is not None:
            run.recorded(event)
        elif event.type is EventType.BREAKER_RESET and not is_injected(event.data["error"]):
            self._report(FAULT, f"{event.stream} failed: {event.data['error']}")
        elif event.stream in self._breakers:
            self._breakers[event.stream].recorded(event)

    def begun(self, actor: Receiver, attempt: int, inputs: Inputs) -> NodeModel | None:
        """Look at the beginning of an attempt; return whose it is, None: not a node's."""
        node = self._nodes.get(actor)
        if node is not None:
            node.begun(attempt, inputs)
        return node

    def idle(self, now: float) -> None:
        """Look for what should have happened, when nothing is under way."""
        lateness = self._lateness()
        for run in self._by_actor.values():
            if run.at != "ended":
                run.idle(now, lateness)
        for breaker in self._breakers.values():
            breaker.idle(now, lateness)

    def over(self, actor: Shell[Any], result: RunResult) -> None:
        """Compare the result of a run."""
        run = self._by_actor.get(actor)
        if run is not None:
            run.over(result)

    def dissolve(self) -> None:
        """Take it apart: runs know their nodes, which know their run; so do a breaker's books and the model."""
        for run in self._by_actor.values():
            vars(run).clear()
        vars(self).clear()


class WatchedAttempt:
    """Tells of all that is done to an attempt, before it is."""

    __slots__ = ("_attempt", "_node")

    def __init__(self, attempt: Attempt, node: NodeModel) -> None:
        self._attempt = attempt
        self._node = node

    def _tell(self, act: str) -> None:
        self._node.acted(act, sys.exception())

    def interrupt(self) -> None:
        """Ask it to end."""
        self._tell("interrupt")
        self._attempt.interrupt()

    def kill(self) -> None:
        """End it by force."""
        self._tell("kill")
        self._attempt.kill()

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan."""
        self._tell("abandon")
        self._node.abandons(permit)
        self._attempt.abandon(release, permit)


class WatchedRunner:
    """Tells of each attempt before another runner begins it.

    Args:
        inner: begins the attempts.
        model: is told of each, and sees what is done to it.
    """

    __slots__ = ("_inner", "_model")

    def __init__(self, inner: Runner, model: ReferenceModel) -> None:
        self._inner = inner
        self._model = model

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        node = self._model.begun(reply_to, attempt, inputs)
        begun = self._inner.begin(run, plan, attempt, inputs, reply_to)
        return begun if node is None else WatchedAttempt(begun, node)
