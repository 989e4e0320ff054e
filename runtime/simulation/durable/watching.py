"""Stands before ports of a process, and shows to the promises or the world what goes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from playbill.actors.ports import Attempt, Keeper, Receiver, Runner
    from playbill.model.errors import JournalError
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.simulation.durable.promises import Promises
    from playbill.runtime.world import OwnTimers

__all__ = ["PromisedRunner", "PromisedTimers", "WatchedKeeper"]


class TellsKeepers(Protocol):
    """A world that sees what keepers are told."""

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell a keeper that its events up to `seq` are kept."""


class WatchedKeeper:
    """Hears in the place of a keeper what is kept, and has the world tell it."""

    __slots__ = ("_keeper", "_world")

    def __init__(self, keeper: Keeper, world: TellsKeepers) -> None:
        self._keeper = keeper
        self._world = world

    def kept(self, seq: int) -> None:
        """Hear that all up to `seq` is kept."""
        self._world.kept(self._keeper, seq)

    def failed(self, error: str) -> None:
        """Hear that nothing is kept now."""
        self._keeper.failed(error)

    def fenced(self, error: JournalError) -> None:
        """Hear that nothing is kept any more."""
        self._keeper.fenced(error)


class PromisedRunner:
    """Shows each attempt to the promises before another runner begins it."""

    __slots__ = ("_inner", "_promises")

    def __init__(self, inner: Runner, promises: Promises) -> None:
        self._inner = inner
        self._promises = promises

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        self._promises.begins(run, plan, attempt, inputs)
        return self._inner.begin(run, plan, attempt, inputs, reply_to)


class PromisedTimers:
    """Shows each timer to the promises."""

    __slots__ = ("_inner", "_promises")

    def __init__(self, inner: OwnTimers, promises: Promises) -> None:
        self._inner = inner
        self._promises = promises

    def set(self, now: float, delay: float, to: Receiver, message: object, *, coarse: bool) -> Any:
        """Post `message` to `to` in `delay` seconds."""
        self._promises.sets(delay, to, message)
        return self._inner.set(now, delay, to, message, coarse=coarse)

    def drop(self, timer: Any) -> None:
        """Forget a timer."""
        self._inner.drop(timer)

    def close(self) -> None:
        """Forget all."""
        self._inner.close()
