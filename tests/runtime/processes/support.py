"""A process pool, its node, and what proves that processes are gone."""

import asyncio
import contextlib
import contextvars
import os
import select
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from playbill.model.definition import definition_from
from playbill.model.facts import Failure, Now, Output
from playbill.model.frozen import freeze
from playbill.model.messages import Began, Heartbeat, Returned
from playbill.model.plan import Plan
from playbill.model.planning import build_plan
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.processes.spawner_client import SpawnerClient
from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.attempt import AttemptServices, Orphans
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.workers.attempt import ProcessAttempt
from playbill.runtime.runners.workers.limits import Limits
from playbill.runtime.runners.workers.pool import ProcessPool

CALL = {"nodes": [{"id": "n", "type": "work", "config": {"x": 1}}], "name": "p"}


class Node:
    """Stands where a node's actor does."""

    def __init__(self) -> None:
        self.mail: list[Any] = []
        self.returned = asyncio.Event()
        self.began = asyncio.Event()
        self.heard = asyncio.Event()

    def receive(self, message: Any, now: Now) -> None:
        self.mail.append(message)
        kinds: dict[type, asyncio.Event] = {Returned: self.returned, Began: self.began, Heartbeat: self.heard}
        kinds[type(message)].set()

    async def end(self) -> Returned:
        await self.returned.wait()
        (returned,) = [message for message in self.mail if isinstance(message, Returned)]
        return returned

    async def output(self) -> Output:
        returned = await self.end()
        assert returned.failure is None, returned.failure
        assert returned.output is not None
        return returned.output

    async def failure(self) -> Failure:
        failure = (await self.end()).failure
        assert failure is not None
        return failure


class Bank:
    """A pool and who begins attempts in it."""

    def __init__(self, resources: Mapping[str, Any] | None = None, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        dispatcher = LoopDispatcher(loop, SystemClock(loop))
        self.resources = resources or {"db": "there"}
        self.redaction = settings.pop("redaction", Redaction())
        self.pool = ProcessPool(loop, self.resources, self.redaction, **settings)
        self.orphans = Orphans()
        self.plan = build_plan(definition_from(CALL))
        self.services = AttemptServices(loop, dispatcher, self.orphans, lambda: 0.5)

    def begin(
        self,
        handler: Any,
        x: Any = 1,
        *,
        number: int = 1,
        limits: Limits | None = None,
    ) -> tuple[ProcessAttempt, Node]:
        return self.begin_planned(handler, self.plan_of(x), number, limits)

    def plan_of(self, x: Any) -> Plan:
        return build_plan(definition_from({**CALL, "nodes": [{"id": "n", "type": "work", "config": {"x": x}}]}))

    def begin_planned(
        self,
        handler: Any,
        plan: Plan,
        number: int = 1,
        limits: Limits | None = None,
        config: dict[str, Any] | None = None,
    ) -> tuple[ProcessAttempt, Node]:
        """Begin an attempt, with another config than its node's if it is rendered."""
        reply_to = Node()
        node = plan.nodes["n"].node
        attempt = ProcessAttempt("r", node, number, reply_to, self.services, self.pool, limits)
        attempt.redaction = self.redaction
        if config is not None:
            node = node.with_config(config)
        context = NodeContext(
            attempt, attempt.number, "r", "n", freeze({"city": "Lyon"}), node.config, self.resources
        )
        attempt.start(handler, node, {"a": freeze({"b": 1}, "a")}, context, contextvars.copy_context())
        return attempt, reply_to

    async def again(self, handler: Any) -> Returned:
        """Execute an attempt of a plan that is always the same, as many runs of one definition do."""
        return await self.begin_planned(handler, self.plan)[1].end()

    async def output(self, handler: Any, x: Any = 1, **settings: Any) -> Output:
        return await self.begin(handler, x, **settings)[1].output()

    async def failure(self, handler: Any, x: Any = 1, **settings: Any) -> Failure:
        return await self.begin(handler, x, **settings)[1].failure()

    async def ready(self, handler: Any, x: Any = 1, **settings: Any) -> tuple[ProcessAttempt, Node]:
        """Begin an attempt, and wait for its first heartbeat."""
        attempt, node = self.begin(handler, x, **settings)
        await node.heard.wait()
        return attempt, node


@contextlib.asynccontextmanager
async def opened(resources: Mapping[str, Any] | None = None, **settings: Any) -> AsyncIterator[Bank]:
    """A bank, of which neither descriptor nor child is left in the end."""
    client: SpawnerClient | None = settings.get("client")
    if client is not None and client.pid is None:
        client.start()
    with nothing_left():
        bank = Bank(resources, **settings)
        try:
            yield bank
        finally:
            await bank.pool.aclose()


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    before = {path.name for path in Path("/dev/fd").iterdir()}
    children = children_of(os.getpid())
    yield
    assert {path.name for path in Path("/dev/fd").iterdir()} == before
    assert children_of(os.getpid()) == children
    try:
        dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        dead = None
    assert dead is None


def children_of(pid: int) -> set[str]:
    """The process ids of a process's children."""
    found: set[str] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found.update((task / "children").read_text().split())
    return found


class Lifeline:
    """A FIFO whose end of file tells that all who held it are gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    async def is_let_go(self) -> None:
        await until_readable(self.descriptor)
        assert os.read(self.descriptor, 100) == b""

    @property
    def is_held(self) -> bool:
        try:
            return os.read(self.descriptor, 1) != b""
        except BlockingIOError:
            return True


async def until_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


async def until_dead(pid: int) -> None:
    """Wait for the end of any process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await until_readable(descriptor)
    finally:
        os.close(descriptor)


def is_dead(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    finally:
        os.close(descriptor)
