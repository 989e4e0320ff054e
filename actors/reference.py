"""What other threads hold of an actor: pykka's reference, the inbox behind it, and the flag that says it has ended.

Here, in shell.py and in futures.py stands all that reaches below pykka's public names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from pykka import ActorRef
from pykka._envelope import Envelope
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop  # pyright: ignore[reportPrivateUsage] (pykka has no other name for a stop)

from playbill.actors.futures import Answer, dead
from playbill.model.errors import InternalError
from playbill.model.messages import CONTROL

if TYPE_CHECKING:
    from playbill.actors.ports import Dispatcher
    from playbill.model.facts import Now

__all__ = ["PROXY", "ActorStop", "Envelope", "Flag", "Inbox", "Ref", "Refusal"]

ActorStop: Final = _ActorStop
PROXY: Final = (ProxyCall, ProxyGetAttr, ProxySetAttr)


class Addressee(Protocol):
    """An actor, as its inbox needs it."""

    @property
    def dispatcher(self) -> Dispatcher:
        """What carries its mail."""
        ...

    def open(self, envelope: Envelope[Any], now: Now) -> None:
        """Handle mail from outside, on the actors' thread."""

    def refuse(self, envelope: Envelope[Any]) -> None:
        """Answer mail to an actor that has ended."""

    def lose(self) -> None:
        """Be dead: the actors' thread has ended."""


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

    __slots__ = ("actor",)

    def __init__(self, actor: Addressee) -> None:
        self.actor = actor

    def put(self, envelope: Envelope[Any]) -> None:
        """Bring an envelope to the actors' thread.

        Raises:
            pykka.ActorDeadError: that thread has ended for good, and nobody asked for an answer.
        """
        actor, dispatcher = self.actor, self.actor.dispatcher
        if isinstance(envelope.reply_to, Answer):
            envelope.reply_to.bind(dispatcher)
        if dispatcher.inside():
            self._post(envelope)
        elif not dispatcher.submit(self._post, envelope):
            actor.lose()
            if envelope.reply_to is None:
                raise dead(actor)
            actor.refuse(envelope)

    def get(self) -> NoReturn:
        """Refuse: mail comes by `receive`."""
        raise InternalError("a shell's inbox gives nothing: the dispatcher brings the mail")

    def empty(self) -> bool:
        """Tell pykka that nothing waits here: what is under way is with the dispatcher."""
        return True

    def _post(self, envelope: Envelope[Any]) -> None:
        """Put an envelope into its message's lane; pykka's own messages are control."""
        dispatcher, message = self.actor.dispatcher, envelope.message
        if type(message) in CONTROL or isinstance(message, (ActorStop, *PROXY)):
            dispatcher.post_control(self, envelope)
        else:
            dispatcher.post(self, envelope)

    def receive(self, message: Envelope[Any], now: Now) -> None:
        """Have the actor open an envelope."""
        self.actor.open(message, now)


class Ref(ActorRef[Any]):
    """pykka's reference; the future of its `stop` can be awaited like any other."""

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Ask the actor to stop: True when it has, False when it was dead already; a future unless `block`."""
        future = Answer()
        if self.is_alive():
            self.actor_inbox.put(Envelope(ActorStop(), reply_to=future))
        else:
            future.set(value=False)
        return future.get(timeout=timeout) if block else future


class Refusal(Exception):
    """Mail from outside that the actor will not take; `error` goes to who sent it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
