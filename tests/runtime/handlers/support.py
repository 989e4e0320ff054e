"""What handlers are called with, commands as attempts, and a real HTTP server on the loopback."""

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from playbill.model.definition import PipelineNode
from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.facts import Now
from playbill.model.messages import Heartbeat, Returned
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.handlers import command as handlers
from playbill.runtime.processes.spawner_client import SpawnerClient
from playbill.runtime.runners.attempt import AttemptServices, Orphans
from playbill.runtime.runners.program import ProgramAttempt
from playbill.runtime.runners.program_pool import ProgramPool


@dataclass
class Answer:
    """What the server says next."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    silent: bool = False


@dataclass
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Answers every path as `answers` says, `Answer()` otherwise, and keeps what it received."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, Answer] = {}
        self.came_in = threading.Event()
        self.go_on = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.received.append(Received(self.command, self.path, headers, body))
                answer = server.answers.get(self.path.partition("?")[0], Answer())
                server.came_in.set()
                if answer.silent:
                    server.go_on.wait(30)
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
                pass

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client had enough
                    super().handle()

        return Handler


def context_of(config: BaseModel, resources: Mapping[str, Any] | None = None) -> Any:
    """A context as the runner makes it, as far as the built-in handlers use it."""
    beats: list[object] = []
    return SimpleNamespace(
        config=config,
        run_id="r1",
        node_id="n",
        attempt=1,
        idempotency_key="r1/n",
        trigger_data={},
        resources=resources or {},
        trace_context=None,
        log=logging.LoggerAdapter(logging.getLogger("playbill.test"), {}),
        cancelled=False,
        beats=beats,
        heartbeat=lambda progress=None: beats.append(progress),
    )


NODE = PipelineNode(id="n", type="command", config={"argv": ["true"]})
SPAWNER: contextvars.ContextVar[SpawnerClient | None] = contextvars.ContextVar("SPAWNER", default=None)
"""Who starts the programs of `command`; None: we do."""


class Caller:
    """Stands where a node's actor does; a heartbeat is its context's."""

    def __init__(self, context: Any) -> None:
        self.mail: list[Any] = []
        self.returned: asyncio.Future[Returned] = asyncio.get_running_loop().create_future()
        self._context = context

    def receive(self, message: Any, now: Now) -> None:
        self.mail.append(message)
        if isinstance(message, Heartbeat):
            self._context.heartbeat()
        elif isinstance(message, Returned):
            self.returned.set_result(message)


def begun(context: Any, pool: ProgramPool) -> tuple[ProgramAttempt, Caller]:
    """An attempt of a command."""
    loop = asyncio.get_running_loop()
    services = AttemptServices(loop, LoopDispatcher(loop, SystemClock(loop)), Orphans(), lambda: 0.5, None, pool)
    caller = Caller(context)
    attempt = ProgramAttempt("r1", "n", 1, caller, services, pool)
    attempt.start(handlers.command, NODE, {}, context, contextvars.copy_context())
    return attempt, caller


async def command(node: PipelineNode, inputs: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Run a command as an attempt: a first cancel of ours interrupts it, any further one kills it."""
    attempt, caller = begun(context, ProgramPool(SPAWNER.get()))
    cancelled: asyncio.CancelledError | None = None
    while not caller.returned.done():
        try:
            await asyncio.wait([caller.returned])
        except asyncio.CancelledError as error:
            if cancelled is None:
                attempt.interrupt()
            else:
                attempt.kill()
            cancelled = error
    if cancelled is not None:
        raise cancelled
    returned = caller.returned.result()
    if returned.failure is not None:
        kind = NodeExecutionError if returned.failure.retryable else NodeConfigError
        raise kind(returned.failure.message, data=returned.failure.data)
    return dict(returned.output or {})
