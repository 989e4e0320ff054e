"""The workers of one manager: warm ones are given attempts, new ones are started while there may be more.

1. At most `max_workers` are at work; further attempts wait, first come, first served.
2. At most `max_idle` workers stay warm without work; the one that worked last is the next to work.
3. A worker that was killed, lost or worn out is replaced when another is needed, not before.
4. A worker looks for modules where the host did when it was started; if that has changed, it is replaced.
5. An attempt whose worker is lost before the handler begins is given to another one, once.
"""

from __future__ import annotations

import asyncio
import collections
import os
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.processes.spawner_client import SpawnerClient
from playbill.runtime.redaction import NO_SECRETS, Redaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.runtime.runners.workers.packing import Packer
    from playbill.runtime.runners.workers.worker_client import Assigned, WorkerClient

__all__ = ["ProcessPool"]

CLOSE_SECONDS: Final = 2.0
"""How long a close waits for workers that were killed."""


class ProcessPool:
    """Workers on demand; all its methods are called on the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resources: Mapping[str, Any] | None = None,
        redaction: Redaction = NO_SECRETS,
        *,
        client: SpawnerClient | None = None,
        max_workers: int | None = None,
        max_idle: int | None = None,
        max_attempts: int = 1000,
        max_resident_bytes: int = 512 * 1024 * 1024,
    ) -> None:
        """Make a pool; no process starts before the first attempt.

        Args:
            loop: The actors' own.
            resources: What handlers may ask for by name.
            redaction: Keeps secrets out of what workers tell and write.
            client: Whose spawner to use, then not closed by the pool; None: its own.
            max_workers: At work at once; None: twice the processors.
            max_idle: Workers that stay without work; None: as many as processors.
            max_attempts: After so many a worker is replaced; a start costs as much as a hundred attempts.
            max_resident_bytes: A worker that needs more after an attempt is replaced.
        """
        processors = os.cpu_count() or 1
        self.now = time.monotonic
        self._loop = loop
        self._resources: Mapping[str, Any] = {} if resources is None else resources
        self._redaction = redaction
        self._owns_client = client is None
        self.client = SpawnerClient(loop) if client is None else client
        self._max_workers = 2 * processors if max_workers is None else max_workers
        self._max_idle = processors if max_idle is None else max_idle
        self._wears_out = max_attempts, max_resident_bytes
        self._workers: set[WorkerClient] = set()
        self._idle: list[WorkerClient] = []
        self._places: set[WorkerClient] = set()
        """Those that count: not those that are leaving or were given up."""
        self._empty = asyncio.Event()
        self._waiting: collections.deque[Assigned] = collections.deque()

    def __repr__(self) -> str:
        return f"<ProcessPool workers={len(self._workers)} idle={len(self._idle)} waiting={len(self._waiting)}>"

    @cached_property
    def packer(self) -> Packer:
        """Packs attempts; made with the first of them, for most managers have none."""
        from playbill.runtime.runners.workers.packing import Packer  # noqa: PLC0415 (see above)

        return Packer()

    def queue(self, attempt: Assigned) -> None:
        """Give an attempt to a worker (`attempt.take(worker)`), at once or when one is free."""
        self._waiting.append(attempt)
        self._assign()

    def withdraw(self, attempt: Assigned) -> None:
        """Let an attempt wait no more."""
        self._waiting.remove(attempt)

    def replace(self, worker: WorkerClient) -> None:
        """Give the place of a worker that cannot be killed to another."""
        self._places.discard(worker)
        self._assign()

    async def aclose(self) -> None:
        """Kill all workers, wait until nothing of them is left, and end the pool's own spawner."""
        self._max_workers = 0
        for worker in tuple(self._workers):
            worker.kill()
        if self._workers:
            import anyio  # noqa: PLC0415 (see SpawnerClient)

            with anyio.move_on_after(CLOSE_SECONDS):
                await self._empty.wait()
        if self._owns_client:
            await self.client.aclose()
        self.close()

    def close(self) -> None:
        """Kill all workers at once; with a spawner of its own blocks until that has killed all, some milliseconds."""
        self._waiting.clear()
        if self._owns_client:
            self.client.close()
        for worker in self._workers:
            worker.kill()
            worker.close()
        self._workers.clear()
        self._places.clear()
        self._idle.clear()

    def _assign(self) -> None:
        """Give workers to those who wait, as far as there are some."""
        while self._waiting and (self._idle or len(self._places) < self._max_workers):
            attempt = self._waiting.popleft()
            try:
                worker = self._warm() or self._new()
            except OSError as error:
                attempt.lose(error, begun=False)
            else:
                attempt.take(worker)
                worker.run(attempt)

    def _warm(self) -> WorkerClient | None:
        """Return a worker without work; those that look for modules elsewhere than we do now are let go."""
        while self._idle:
            worker = self._idle.pop()
            if worker.path == sys.path:
                return worker
            self._dismiss(worker)
        return None

    def _dismiss(self, worker: WorkerClient) -> None:
        self._places.discard(worker)
        worker.dismiss()

    def _new(self) -> WorkerClient:
        from playbill.runtime.runners.workers.packing import introduction  # noqa: PLC0415 (see `packer`)
        from playbill.runtime.runners.workers.worker_client import WorkerClient  # noqa: PLC0415

        first = introduction(self._resources, self._redaction, *self._wears_out)
        worker = WorkerClient(self.client, self._resources, first, self._freed, self._left, self._redaction.hide)
        self._workers.add(worker)
        self._empty.clear()
        self._places.add(worker)
        return worker

    def _freed(self, worker: WorkerClient) -> None:
        """Give a worker that has done its attempt the next one, keep it, or let it go."""
        if worker.leaves:
            self._places.discard(worker)
        else:
            self._idle.append(worker)
        self._assign()
        if len(self._idle) > self._max_idle:
            self._dismiss(self._idle.pop(0))

    def _left(self, worker: WorkerClient) -> None:
        """Forget a worker of which nothing is left, and give its place away."""
        self._workers.discard(worker)
        if not self._workers:
            self._empty.set()
        self._places.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._assign()
