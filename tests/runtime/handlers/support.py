"""What handlers are called with, and a real HTTP server on the loopback."""

import contextlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from playbill.model.definition import PipelineNode


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
        log=logging.LoggerAdapter(logging.getLogger("playbill.test"), {}),
        cancelled=False,
        beats=beats,
        heartbeat=lambda progress=None: beats.append(progress),
    )


NODE = PipelineNode(id="n", type="command", config={"argv": ["true"]})
