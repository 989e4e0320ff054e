"""Answers to `ask`: pykka's future, which here can be awaited and refuses to block the actors' own thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pykka import ActorDeadError, ThreadingFuture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pykka._types import OptExcInfo

    from playbill.actors.ports import Dispatcher

__all__ = ["ActorDeadError", "Answer", "dead"]

LOOK_AGAIN_SECONDS: Final = 1.0
"""How often a thread that waits for an answer looks whether the actors' loop is still there."""


class Answer(ThreadingFuture[Any]):
    """The answer of an actor: `get()` it from other threads, `await` it on an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._dispatcher: Dispatcher | None = None
        self._calls: list[Callable[[], None]] = []

    def bind(self, dispatcher: Dispatcher) -> None:
        """Say whose thread will bring the answer."""
        self._dispatcher = dispatcher

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the answer and return or raise it.

        Raises:
            RuntimeError: called on the actors' own thread, where it would wait for itself.
            pykka.Timeout: no answer within `timeout` seconds.
            pykka.ActorDeadError: the actors' event loop is closed, and brought no answer.
        """
        dispatcher = self._dispatcher
        if self._result is not None or dispatcher is None:
            return super().get(timeout=timeout)
        if dispatcher.inside():
            raise RuntimeError(
                "a blocking get() on the actors' own event loop would wait for ever: "
                "use `await ref.ask(message, block=False)`"
            )
        if timeout is None:
            self._outlast(dispatcher)
        return super().get(timeout=timeout)

    def _outlast(self, dispatcher: Dispatcher) -> None:
        """Wait for the answer as long as somebody may bring it."""
        with self._condition:
            while self._result is None:
                if not dispatcher.submit(_nothing, None):
                    raise ActorDeadError("the actors' event loop is closed: no answer will come")
                self._condition.wait(LOOK_AGAIN_SECONDS)

    def set(self, value: Any = None) -> None:
        """Bring the answer."""
        super().set(value)
        self._tell()

    def set_exception(self, exc_info: OptExcInfo | None = None) -> None:
        """Bring an error as the answer."""
        super().set_exception(exc_info)
        self._tell()

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call `call` once the answer is there: in whatever thread brings it, or at once."""
        with self._condition:
            if self._result is None:
                self._calls.append(call)
                return
        call()

    def forget(self, call: Callable[[], None]) -> None:
        """Call `call` no more: who wanted it waits no more."""
        with self._condition:
            if call in self._calls:
                self._calls.remove(call)

    def result(self) -> Any:
        """Return the answer, or raise it; only once it is there."""
        return super().get(timeout=0)

    def __await__(self) -> Generator[Any, None, Any]:
        if self._result is not None or self._dispatcher is None:
            return self.result()
        return (yield from self._dispatcher.wait(self).__await__())

    def _tell(self) -> None:
        with self._condition:
            calls, self._calls = self._calls, []
        for call in calls:
            call()


def dead(actor: object) -> ActorDeadError:
    """Return the error of whoever asks an actor that has ended."""
    return ActorDeadError(f"{actor!r} has ended")


def _nothing(_: object) -> None:
    """Be submitted, to see whether anybody takes it."""
