"""The shell: the one `pykka.Actor` around every machine; it carries mail to the machine and performs its effects.

An actor's life: the dispatcher brings it mail by `receive`, one message after the other, until `finish` or a fault
ends it. It has no thread: all of this happens on the dispatcher's. From other threads come only envelopes, through
pykka's `ActorRef` and the `Inbox` that stands for the actor there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pykka
from pykka import ActorRegistry

from playbill.actors.futures import Answer, dead
from playbill.actors.reference import PROXY, ActorStop, Flag, Inbox, Ref, Refusal
from playbill.model.effects import COARSE, NullOutbox
from playbill.model.errors import InternalError
from playbill.model.machines.machine import Machine

if TYPE_CHECKING:
    from pykka import Future

    from playbill.actors.ports import Dispatcher, Ports, Post
    from playbill.actors.reference import Envelope
    from playbill.model.effects import TimerName
    from playbill.model.facts import Now

logger = logging.getLogger("playbill")
M = TypeVar("M", bound=Machine[Any])


class Shell(NullOutbox, pykka.Actor, Generic[M]):
    """An actor: a machine, its mailbox, its timers, its end."""

    machine: M
    ended: bool
    now: Now
    """When the message at hand was received."""
    tell: Post
    """The effect: send a message to an actor. Bound once an actor: 1.5 k instructions a node less, 1 %."""
    timers: dict[TimerName, Any] | None = None
    """By name, what the port drops."""
    _ref: Ref | None = None
    _stoppers: list[Answer] | None = None

    def __init__(self, ports: Ports, urn: str) -> None:
        # Not super().__init__: its uuid4, Event and ActorRef cost more than all else a node does.
        self.ended = False
        self.ports = ports
        self.actor_urn = urn
        self.tell = ports.post

    # ---- what pykka asks for ----------------------------------------------------------------------------------

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise InternalError("a shell's inbox is made with its reference")

    @staticmethod
    def _create_future() -> Answer:
        return Answer()

    def _start_actor_loop(self) -> None:
        """Nothing to start: the dispatcher drains it when mail comes."""

    @property
    def actor_ref(self) -> Ref:
        """The reference that other threads use."""
        if self._ref is None:
            self.actor_inbox = Inbox(self)
            self.actor_stopped = Flag()  # type: ignore[assignment]
            if self.ended:
                self.actor_stopped.set()
            self._ref = Ref(self)
        return self._ref

    @property
    def dispatcher(self) -> Dispatcher:
        """What carries its mail."""
        return self.ports.dispatcher

    def register(self) -> None:
        """Make it known to pykka's registry."""
        ActorRegistry.register(self.actor_ref)

    def on_receive(self, message: Any) -> Any:
        """Hand a message from outside to the machine and return its answer."""
        return self.machine.receive(message, self.now, self)

    def describe(self) -> str:
        """Tell the live state in one line."""
        return repr(self)

    # ---- mail -------------------------------------------------------------------------------------------------

    def post(self, message: Any) -> None:
        """Send mail to this actor."""
        self.ports.post(self, message)

    def receive(self, message: Any, now: Now) -> Any:
        """Handle a message of another actor, a timer or a runner; return the machine's answer."""
        if self.ended:
            self.too_late(message)
            return None
        self.now = now
        machine = self.machine
        try:  # what machine.receive does, without its call: 4 k instructions a node less, 2 %
            action = machine.actions.get(type(message))  # pyright: ignore[reportUnknownArgumentType]
            if action is None:
                machine.refuse(message)
            return action(machine, message, now, self)
        except BaseException as error:  # noqa: BLE001 (pykka would stop every actor of the process)
            self._broke(error, message)
            return None

    def _broke(self, error: BaseException, message: Any) -> None:
        """Go on after a fault in handling `message`; Ctrl-C goes on to the program, whose it is."""
        self.fault(error, message)
        if type(error) is KeyboardInterrupt:
            raise error

    def too_late(self, message: Any) -> None:
        """Take mail that came after the end."""
        self.dead_letter(message)

    def open(self, envelope: Envelope[Any], now: Now) -> None:
        """Handle mail from outside; what is wrong with it harms its sender only."""
        message, answer = envelope.message, envelope.reply_to
        self.now = now
        if self.ended:
            self.refuse(envelope)
            return
        if isinstance(message, ActorStop):
            if isinstance(answer, Answer):
                self._stoppers = [*(self._stoppers or ()), answer]
            self.on_actor_stop()
            return
        try:
            response = self._respond(message)
        except Refusal as refusal:
            self._answer_error(answer, refusal.error)
            if answer is None:
                logger.warning("%r: %s", self, refusal.error)
                self.dead_letter(message)
        except BaseException as error:  # noqa: BLE001 (pykka would stop every actor of the process)
            self._answer_error(answer, error)
            self._broke(error, message)
        else:
            if answer is not None:
                self.give(answer, response, message)

    def give(self, answer: Future[Any], response: Any, message: Any) -> None:
        """Answer mail from outside."""
        answer.set(response)

    def _answer_error(self, answer: Future[Any] | None, error: BaseException) -> None:
        if answer is not None:
            answer.set_exception((type(error), error, error.__traceback__))

    def _respond(self, message: Any) -> Any:
        """Answer mail from outside.

        Raises:
            Refusal: the message is wrong; nothing has changed.
        """
        try:
            return self._handle_receive(message)
        except InternalError as error:
            raise Refusal(error) from error
        except Exception as error:
            if isinstance(message, PROXY):
                raise Refusal(error) from error
            raise

    def refuse(self, envelope: Envelope[Any]) -> None:
        """Answer mail to an actor that has ended."""
        if envelope.reply_to is None:
            self.dead_letter(envelope.message)
        elif isinstance(envelope.message, ActorStop):
            envelope.reply_to.set(value=False)
        else:
            self._answer_error(envelope.reply_to, dead(self))

    # ---- the end ----------------------------------------------------------------------------------------------

    def on_actor_stop(self) -> None:
        """End because pykka's `stop` said so."""
        self.close()

    def fault(self, error: BaseException, message: Any) -> None:
        """Go on after a fault of ours in handling `message`: the subclass knows how."""
        raise NotImplementedError

    def close(self) -> None:
        """End: no timer, no mail, nobody left waiting."""
        if self.ended:
            return
        self.ended = True
        # Without its circles (machine and reference hold the actor) it is freed as soon as nobody holds it.
        self.machine.me = None
        if self._ref is not None:
            self.actor_stopped.set()
            ActorRegistry.unregister(self._ref)
            self._ref = None
            self.actor_inbox = None  # type: ignore[assignment]
            for answer in self._stoppers or ():  # who asked for the stop did so by the reference
                answer.set(value=True)
        timers, self.timers = self.timers, None
        if timers:
            for timer in timers.values():
                self.ports.timers.drop(timer)

    def lose(self) -> None:
        """Be dead because the thread of the actors has ended: nothing can be told any more."""
        self.ended = True
        ref = self.actor_ref
        self.actor_stopped.set()
        ActorRegistry.unregister(ref)

    # ---- effects ----------------------------------------------------------------------------------------------

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        """Tell this actor `message` in `delay` seconds; replaces the timer of that name."""
        timers, port = self.timers, self.ports.timers
        if self.ended:
            self.undone(message)
            return
        if timers is None:
            timers = self.timers = {}
        elif name in timers:
            port.drop(timers[name])
        timers[name] = port.set(self.now.monotonic, delay, self, message, coarse=name in COARSE)

    def drop_timer(self, name: TimerName) -> None:
        """Forget the timer of that name, if there is one."""
        if self.timers and name in self.timers:
            self.ports.timers.drop(self.timers.pop(name))

    def dead_letter(self, message: Any) -> None:
        """Count mail that came too late."""
        self.ports.dead_letters.add(self.actor_urn, message)

    def undone(self, effect: Any) -> None:
        """Count what its machine asks for after the actor's end, which a report of its own has brought about."""
        self.ports.dead_letters.undone(self.actor_urn, effect)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actor_urn} {'ended' if self.ended else self.machine!r}>"

    __str__ = __repr__
