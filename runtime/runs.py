"""The runs that a manager knows: those under way, in the order of their starts, and the last ones that have ended."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from playbill.model.errors import UnknownRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.results import RunResult
    from playbill.runtime.run import Run


class Passive(Protocol):
    """The runs that are out of memory."""

    def __contains__(self, run_id: object) -> bool:
        """Whether a run is one of them."""
        ...

    @property
    def ids(self) -> list[str]:
        """The ids of all."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether one of them goes on by itself."""
        ...

    async def changed(self) -> None:
        """Wait until one goes on, or another one rests."""

    async def end_all(self) -> None:
        """Cancel all, as their manager is closed."""

    def close(self) -> None:
        """Wake nothing more."""


class Runs:
    """Runs by id.

    Args:
        keep: how many of those that have ended are remembered.
    """

    def __init__(self, keep: int) -> None:
        self.active: dict[str, Run] = {}
        self.ended: OrderedDict[str, Run] = OrderedDict()
        self.planning = asyncio.Lock()
        """Held by who plans a large pipeline in slices."""
        self.starting = 0
        """How many want to plan one, or do."""
        self.recording: set[asyncio.Future[Run]] = set()
        """Runs that are being recorded, and go on once they are: retries and forks."""
        self.are_left = False
        """Whether its manager is left, and the runs with it: to the next one of its journal."""
        self._reserved: dict[str, asyncio.Event] = {}
        self._keep = keep
        self.passive: Passive | None = None
        """Those that are out of memory; None: none ever is."""
        self.hint = ""
        """Where else than here a run may be found."""

    def is_reserved(self, run_id: str | None) -> bool:
        """Tell whether somebody is about to begin a run of this id."""
        return run_id in self._reserved

    @asynccontextmanager
    async def reserve(self, run_id: str | None) -> AsyncGenerator[None]:
        """Keep an id for who is about to begin a run of it; others wait. None: there is no id yet."""
        while run_id is not None and (before := self._reserved.get(run_id)) is not None:
            await before.wait()
        if run_id is None:
            yield
            return
        over = self._reserved[run_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._reserved[run_id]
            over.set()

    @asynccontextmanager
    async def to_plan(self) -> AsyncGenerator[None]:
        """Let one after the other plan a large pipeline."""
        self.starting += 1
        try:
            async with self.planning:
                yield
        finally:
            self.starting -= 1

    def find(self, run_id: str) -> Run | None:
        """Return an active or a remembered run."""
        return self.active.get(run_id) or self.ended.get(run_id)

    def is_here(self, run_id: str) -> bool:
        """Tell whether a run is in memory, or somebody is about to have it there."""
        return self.find(run_id) is not None or self.is_reserved(run_id)

    def is_passive(self, run_id: str) -> bool:
        """Tell whether a run is out of memory."""
        return self.passive is not None and run_id in self.passive

    def get(self, run_id: str) -> Run:
        """Return an active or a remembered run.

        Raises:
            UnknownRun: there is none of this id.
        """
        run = self.find(run_id)
        if run is None:
            raise UnknownRun(run_id, self.hint)
        return run

    def conclude(self, result: RunResult) -> str | None:
        """Move a run that has ended among the remembered ones; return the id of the one that is forgotten for it."""
        run = self.active.pop(result.run_id)
        run.conclude(result)
        return self.remember(run)

    def remember(self, run: Run) -> str | None:
        """Remember a run that has ended; return the id of the one that is forgotten for it."""
        self.ended[run.id] = run
        return self.ended.popitem(last=False)[0] if len(self.ended) > self._keep else None

    async def rest(self) -> None:
        """Wait until no run is at work: all have ended or are paused, and none is planned."""
        while True:
            busy = [run for run in self.active.values() if not run.is_paused]
            if self.starting:
                async with self.planning:
                    pass  # who had it has begun its run before this
            elif busy:
                await busy[0].rest()  # one may start while one waits
            elif self.passive is not None and self.passive.waiting:
                await self.passive.changed()
            else:
                return

    def __repr__(self) -> str:
        return f"active={len(self.active)} ended={len(self.ended)}"


def supervisors_of(active: Mapping[str, Run]) -> list[SupervisorActor]:
    """Return the actors of active runs, oldest first; from any thread, so of a copy.

    Whoever shall not keep the manager may ask this, and not `Runs`: those that have ended know whom they told so.
    """
    return [run.actor for run in list(active.values())]
