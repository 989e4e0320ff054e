"""What a warm attempt in a process costs against a bare pipe, and what 1,000 kills leave behind.

Run it by `python -m tests.runtime.handlers.processes.benchmark [kills] [uvloop]`.
"""

import asyncio
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from playbill.model.plan import RunFacts
from playbill.runtime.handlers.context import NodeContext
from playbill.runtime.handlers.processes.orders import Order
from tests.runtime.handlers.processes import bodies
from tests.runtime.handlers.processes.support import Bank, children_of, opened

ROUNDS = 9
TRIPS = 1000


def _echo(pipe: Any) -> None:
    while (message := pipe.recv()) is not None:
        pipe.send(message)


def bare_trip() -> float:
    """Seconds of one round trip over a multiprocessing.Pipe to a child."""
    ours, its = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_echo, args=(its,))
    child.start()
    began = time.perf_counter()
    for _ in range(TRIPS):
        ours.send({})
        ours.recv()
    took = time.perf_counter() - began
    ours.send(None)
    child.join()
    return took / TRIPS


class Chain:
    """Attempts as a pool sees them: each is packed, queued and begun when the one before has its result."""

    order: Order | None = None

    def __init__(self, bank: Bank) -> None:
        self.pool = bank.pool
        self.node = bank.plan.nodes["n"]
        held: Any = bank.begin_planned(bodies.nothing, bank.plan)[0]
        self.context = NodeContext(RunFacts("r", bank.plan, {"city": "Lyon"}), self.node, held, None, {})
        self.left = 0
        self.over: asyncio.Future[None]

    async def run(self, count: int) -> None:
        self.left, self.over = count, asyncio.get_running_loop().create_future()
        self.begin_next()
        await self.over

    def begin_next(self) -> None:
        self.order = self.pool.jobs.order(bodies.nothing, self.node.node, {"a": {"b": 1}}, self.context, None)
        self.pool.queue(self)

    def finish(self, ended: float, output: Any, failure: Any) -> None:
        assert output == {}
        self.left -= 1
        if self.left:
            # The worker is released first, as it is before a node's actor hears of the result.
            asyncio.get_running_loop().call_soon(self.begin_next)
        else:
            self.over.set_result(None)

    def take(self, worker: Any) -> None: ...
    def begin(self) -> None: ...
    def beat(self, progress: Any) -> None: ...
    def log(self, level: int, text: str) -> None: ...
    def lose(self, ended: Any, *, begun: bool) -> None:
        raise AssertionError(ended)


async def attempts() -> tuple[float, float]:
    """Seconds of one warm attempt through the pool alone, and with node, context and messages around it."""
    async with opened(most_attempts=10 * TRIPS) as bank:
        chain = Chain(bank)
        for _ in range(20):
            await bank.again(bodies.nothing)
        began = time.perf_counter()
        await chain.run(TRIPS)
        half = time.perf_counter()
        for _ in range(TRIPS):
            await bank.again(bodies.nothing)
        return (half - began) / TRIPS, (time.perf_counter() - half) / TRIPS


async def kills(count: int) -> None:
    """Kill so many spinning handlers, and print what is there before and after."""
    async with opened(most=4) as bank:
        await bank.output(bodies.nothing)
        print(f"before {count} kills: {_there(bank)}")
        began = time.perf_counter()
        for _ in range(count // 2):
            ready = await asyncio.gather(*(bank.ready(bodies.spins) for _ in range(2)))
            for attempt, _ in ready:
                attempt.kill()
            await asyncio.gather(*(node.end() for _, node in ready))
        took = time.perf_counter() - began
        await bank.output(bodies.nothing)
        print(f"after  {count} kills: {_there(bank)} ({took / count * 1000:.1f} ms each, start included)")


def _there(bank: Bank) -> str:
    said: list[str] = []
    for name, pid in (("host", os.getpid()), ("spawner", bank.pool.client.pid)):
        counts = [len(list(Path(f"/proc/{pid}/{what}").iterdir())) for what in ("fd", "task")]
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 // 1024
        children = len(children_of(int(pid or 0)))
        said.append(f"{name}: {counts[0]} descriptors, {counts[1]} threads, {children} children, {resident} MiB")
    return "; ".join(said)


def main() -> None:
    if "uvloop" in sys.argv:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    found: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        found.append((bare_trip(), *asyncio.run(attempts())))
        print("bare pipe {:6.1f} us   pool {:6.1f} us   attempt {:6.1f} us".format(*(1e6 * one for one in found[-1])))
    for name, index in (("pool", 1), ("attempt", 2)):
        ratios = [one[index] / one[0] for one in found]
        best = min(one[index] for one in found) / min(one[0] for one in found)
        print(f"{name}: median ratio {statistics.median(ratios):.2f}, best by best {best:.2f}")
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    asyncio.run(kills(numbers[0] if numbers else 1000))


if __name__ == "__main__":
    main()
