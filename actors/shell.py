"""The shell: the one `pykka.Actor` around every machine; it carries mail to the machine and performs its effects.

An actor's life: the dispatcher brings it mail by `receive`, one message after the other, until `finish` or a fault
ends it. It has no thread: all of this happens on the dispatcher's. From other threads come only envelopes, through
pykka's `ActorRef` and the `Inbox` that stands for the actor there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

import pykka
from pykka import ActorRef, ActorRegistry
from pykka._envelope import Envelope
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop  # pyright: ignore[reportPrivateUsage] (pykka has no other name for a stop)

from playbill.actors.futures import Answer, dead
from playbill.model.effects import COARSE, NullOutbox
from playbill.model.errors import InternalError
from playbill.model.machines.machine import Machine
from playbill.model.messages import CONTROL

if TYPE_CHECKING:
    from pykka import Future

    from playbill.actors.ports import Ports, Post
    from playbill.model.effects import Timer
    from playbill.model.facts import Now

logger = logging.getLogger("playbill")
M = TypeVar("M", bound=Machine)
PROXY: Final = (ProxyCall, ProxyGetAttr, ProxySetAttr)


class Flag:
    """What pykka asks to know whether an actor has ended: the part of `threading.Event` it uses."""

    __slots__ = ("_on",)

    def __init__(self) -> None:
        self._on = False

    def is_set(self) -> bool:
        """Tell whether it has ended."""
        return self._on

    def set(self) -> None:
        """Say that it has ended."""
        self._on = True


class Inbox:
    """An actor's door to the outside: takes envelopes from any thread and has them opened on the actors' own."""

    __slots__ = ("shell",)

    def __init__(self, shell: Shell[Any]) -> None:
        self.shell = shell

    def put(self, envelope: Envelope[Any]) -> None:
        """Bring an envelope to the actors' thread.

        Raises:
            pykka.ActorDeadError: that thread has ended for good, and nobody asked for an answer.
        """
        shell, dispatcher = self.shell, self.shell.ports.dispatcher
        if isinstance(envelope.reply_to, Answer):
            envelope.reply_to.bind(dispatcher)
        if dispatcher.inside():
            self._post(envelope)
        elif not dispatcher.submit(self._post, envelope):
            shell.lose()
            if envelope.reply_to is None:
                raise dead(shell)
            shell.refuse(envelope)

    def get(self) -> NoReturn:
        """Refuse: mail comes by `receive`."""
        raise InternalError("a shell's inbox gives nothing: the dispatcher brings the mail")

    def empty(self) -> bool:
        """Tell pykka that nothing waits here: what is under way is with the dispatcher."""
        return True

    def _post(self, envelope: Envelope[Any]) -> None:
        """Put an envelope into its message's lane; pykka's own messages are control."""
        dispatcher, message = self.shell.ports.dispatcher, envelope.message
        if type(message) in CONTROL or isinstance(message, (_ActorStop, *PROXY)):
            dispatcher.post_control(self, envelope)
        else:
            dispatcher.post(self, envelope)

    def receive(self, message: Envelope[Any], now: Now) -> None:
        """Have the actor open an envelope."""
        self.shell.open(message, now)


class Ref(ActorRef[Any]):
    """pykka's reference; the future of its `stop` can be awaited like any other."""

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Ask the actor to stop: True when it has, False when it was dead already; a future unless `block`."""
        future = Answer()
        if self.is_alive():
            self.actor_inbox.put(Envelope(_ActorStop(), reply_to=future))
        else:
            future.set(value=False)
        return future.get(timeout=timeout) if block else future


class Refusal(Exception):
    """Mail from outside that the actor will not take; `error` goes to who sent it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Shell(NullOutbox, pykka.Actor, Generic[M]):
    """An actor: a machine, its mailbox, its timers, its end."""

    machine: M
    ended: bool
    now: Now
    """When the message at hand was received."""
    tell: Post
    """The effect: send a message to an actor. The dispatcher's own method, since it is the most frequent call."""
    timers: dict[Timer, Any] | None = None
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

    def receive(self, message: Any, now: Now) -> None:
        """Handle mail of another actor, a timer or a runner."""
        if self.ended:
            self.too_late(message)
            return
        self.now = now
        machine = self.machine
        try:  # what machine.receive does, without a call that every message would pay for
            action = machine.actions.get(type(message))  # pyright: ignore[reportUnknownArgumentType]
            if action is None:
                machine.refuse(message)
            action(machine, message, now, self)
        except BaseException as error:  # noqa: BLE001 (pykka would stop every actor of the process)
            self.fault(error, message)

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
        if isinstance(message, _ActorStop):
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
            self.fault(error, message)
        else:
            if answer is not None:
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
        elif isinstance(envelope.message, _ActorStop):
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
        if self._ref is not None:
            self.actor_stopped.set()
            ActorRegistry.unregister(self._ref)
        for answer in self._stoppers or ():
            answer.set(value=True)
        timers, self.timers = self.timers, None
        if timers:
            for timer in timers.values():
                self.ports.timers.drop(timer)

    def lose(self) -> None:
        """Be dead because the thread of the actors has ended: nothing can be told any more."""
        self.ended = True
        self.actor_stopped.set()
        ActorRegistry.unregister(self.actor_ref)

    # ---- effects ----------------------------------------------------------------------------------------------

    def set_timer(self, name: Timer, delay: float, message: Any) -> None:
        """Tell this actor `message` in `delay` seconds; replaces the timer of that name."""
        timers, port = self.timers, self.ports.timers
        if timers is None:
            timers = self.timers = {}
        elif name in timers:
            port.drop(timers[name])
        timers[name] = port.set(self.now.monotonic, delay, self, message, coarse=name in COARSE)

    def drop_timer(self, name: Timer) -> None:
        """Forget the timer of that name, if there is one."""
        if self.timers and name in self.timers:
            self.ports.timers.drop(self.timers.pop(name))

    def dead_letter(self, message: Any) -> None:
        """Count mail that came too late."""
        self.ports.dead_letters.add(self.actor_urn, message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actor_urn} {'ended' if self.ended else self.machine!r}>"

    __str__ = __repr__
