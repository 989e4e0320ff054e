"""The program that is killed: it starts its seed's runs, does to them what users do, and says what it was told.

Each line on its standard output is one JSON list, `[word, run id, ...]`, written in one go as soon as the answer is
there. A line of an -ing word says what it is about to ask for; all others are acknowledgements. Started again on the
same file it asks for all of them again, as careful users do.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any, Final

import playbill
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.soak.kills.handlers import HANDLERS
from tests.soak.kills.plans import End, RunPlan, end, plans

POLICIES: Final[dict[str, Any]] = {
    kind: {"failures": None}
    for kind in ("kills_fails_first", "kills_hangs_first", "kills_hold", "kills_open_later", "kills_add")
}
"""What fails on purpose opens no circuit."""
REASON: Final = "the plan says so"


def say(*said: Any) -> None:
    """Write a line."""
    os.write(1, f"{json.dumps(said)}\n".encode())


@dataclass(frozen=True, slots=True)
class Orders:
    """What this life of the program shall do; on its command line, as JSON."""

    folder: str
    seed: int
    life: int
    runs: int
    """How many of the seed's runs there are by now."""
    gone: list[str]
    """Runs that were pruned, perhaps."""
    parks: float | None
    """After so many seconds it leaves its runs to the next life, in good order; None: it waits for their ends."""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/runs.db"


class Program:
    """One life of it."""

    def __init__(self, orders: Orders, manager: playbill.PipelineRunManager) -> None:
        self.orders = orders
        self.manager = manager
        self.random = Random(f"{orders.seed} {orders.life}")
        self.is_over = asyncio.Event()

    async def run(self) -> None:
        """Take up what there is, and come to the end of all runs."""
        say("recovering", "")
        listening, maintaining = asyncio.create_task(self.listen()), asyncio.create_task(self.maintain())
        wanted = [
            plan
            for plan in islice(plans(self.orders.seed, self.orders.folder), self.orders.runs)
            if plan.run_id not in self.orders.gone
        ]
        try:
            async with asyncio.timeout(self.orders.parks), asyncio.TaskGroup() as group:
                group.create_task(self.look_at_recovery())
                for plan in wanted:
                    group.create_task(self.drive(plan))
                    await asyncio.sleep(self.random.choice((0.0, 0.0, 0.01, 0.05)))
        except TimeoutError:
            say("parking", "")
        self.is_over.set()
        await maintaining
        listening.cancel()

    async def look_at_recovery(self) -> None:
        """Say what was set aside: nothing may be."""
        found = await self.manager.recovered()
        say("recovered", "", found.set_aside)

    async def listen(self) -> None:
        """Say each event that a listener sees."""
        async for event in self.manager.events():
            say("event", event.stream, event.seq, event.type)

    async def maintain(self) -> None:
        """Prune what has timed out, and copy the WAL, now and then."""
        system: Any = self.manager._system
        journal: SqliteJournal = system.parts.journal
        while not self.is_over.is_set():
            await asyncio.sleep(self.random.uniform(0.1, 0.4))
            if self.random.random() < 0.5:
                say("pruning", "")
                say("pruned", "", await self.manager.prune(datetime.now(UTC), ["timeout"]))
            else:
                say("checkpointing", "")
                await journal._work(lambda made: made.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
                say("checkpointed", "")

    # ---- what is done to a run --------------------------------------------------------------------------------

    async def drive(self, plan: RunPlan) -> None:
        """Start a run, do to it what its kind asks for, and wait for its end."""
        given = {"customer": plan.kind} if plan.kind == "attributes" else None
        run = await self.manager.start_run(plan.definition, plan.data, run_id=plan.run_id, attributes=given)
        say("started", run.id)
        errand = ERRANDS.get(plan.kind)
        if errand is not None and not run.done:
            await errand(self, run)
        await self.wait(run)
        if plan.kind == "retried":
            await self.begun_again(await self.manager.retry_run(run.id, new_id=f"{run.id}-again"))
        if plan.kind == "forked":
            await self.begun_again(await self.manager.fork_run(run.id, "a1", new_id=f"{run.id}-again"))

    async def begun_again(self, run: playbill.Run) -> None:
        say("started", run.id)
        await self.wait(run)

    async def wait(self, run: playbill.Run) -> None:
        """Wait for an end, and say it."""
        result = await run.result()
        ended: End = end(str(result.status), dict(result.outputs))
        say("ended", run.id, *ended, json.dumps(result.outputs)[:200], str(result.error))

    async def cancel(self, run: playbill.Run) -> None:
        """Cancel it once its handler has begun."""
        async for event in run.events():
            if event.type == "pipeline_node.started" and event.node_id == "hold":
                break
        await asyncio.sleep(self.random.uniform(0.0, 0.2))
        say("cancelling", run.id)
        if await run.cancel(REASON, grace=0.2):
            say("cancelled", run.id)

    async def pause(self, run: playbill.Run) -> None:
        """Pause it, and let it go on after a while."""
        await asyncio.sleep(self.random.uniform(0.0, 0.2))
        say("pausing", run.id)
        if await run.pause() or run.is_paused:
            say("paused", run.id)
        await asyncio.sleep(self.random.uniform(0.0, 0.3))
        say("resuming", run.id)
        if await run.resume():
            say("resumed", run.id)

    async def set_attributes(self, run: playbill.Run) -> None:
        """Set one of its attributes, another value in each life."""
        value = f"{self.orders.life}-{self.random.randint(0, 99)}"
        say("setting", run.id, value)
        await run.set_attributes({"changed": value})
        say("set", run.id, value)


ERRANDS: Final[dict[str, Callable[[Program, playbill.Run], Awaitable[None]]]] = {
    "cancelled": Program.cancel,
    "pauses": Program.pause,
    "attributes": Program.set_attributes,
}


async def main(orders: Orders) -> None:
    """Live."""
    say("opening", "")
    async with playbill.PipelineRunManager(
        journal=orders.url,
        types=HANDLERS,
        breakers=POLICIES,
        on_exit="park",
        grace=0.5,
        kill_bound=0.5,
        max_processes=2,
    ) as manager:
        await Program(orders, manager).run()
    say("left", "")


if __name__ == "__main__":
    asyncio.run(main(Orders(**json.loads(sys.argv[1]))))
