"""The owner's socket: what it answers, whom it cuts off, where it lies, and when it is gone."""

import asyncio
import json
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.actors.answers import NotKeptYet
from playbill.model.errors import DefinitionError, JournalError, UnknownRun
from playbill.runtime.control import server as server_module
from playbill.runtime.control.client import ReachedOwner, reach_owner
from playbill.runtime.control.commands import request_of
from playbill.runtime.control.frames import encoded
from playbill.runtime.control.places import socket_of, sockets_of
from playbill.runtime.control.server import ControlServer, serve

pytestmark = pytest.mark.anyio
PING = {"version": 1, "command": "ping", "request": {}}


class Begun:
    """A run that has begun."""

    run_id = "new"


class Runs:
    """Has runs, as a manager has them; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: Exception | None = None
        self.active_runs: Sequence[object] = ["one", "two"]
        self.held: asyncio.Event | None = None

    async def _take(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error

    async def cancel_run(self, run_id: str, reason: str = "", grace: float | None = None) -> bool:
        await self._take("cancel", run_id, reason, grace)
        return True

    async def pause_run(self, run_id: str) -> bool:
        await self._take("pause", run_id)
        return True

    async def resume_run(self, run_id: str) -> bool:
        await self._take("resume", run_id)
        return False

    async def set_attributes(self, run_id: str, attributes: Any) -> None:
        await self._take("set_attributes", run_id, attributes)

    async def force_circuit(self, key: str, state: str) -> None:
        await self._take("force_circuit", key, state)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        await self._take("prune", before, statuses)
        return 3

    async def recover(self, run_id: str | None = None) -> playbill.TakenUp:
        await self._take("recover", run_id)
        return playbill.TakenUp(["a"], {"b": "gone"})

    async def retry_run(self, run_id: str, **options: Any) -> Begun:
        await self._take("retry", run_id, options)
        return Begun()

    async def fork_run(self, run_id: str, node: str, **options: Any) -> Begun:
        await self._take("fork", run_id, node, options)
        return Begun()

    async def import_run(self, path: str, *, new_id: str | None = None) -> str:
        await self._take("import", path, new_id)
        return "new"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="pb"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
async def server(folder: Path, runs: Runs) -> AsyncIterator[ControlServer]:
    before = os.umask(0)
    try:
        made = ControlServer(folder / "runs.db", lambda: runs, asyncio.get_running_loop())
    finally:
        os.umask(before)
    yield made
    made.close()


async def ask(server: ControlServer, call: Callable[[ReachedOwner], Any]) -> Any:
    """Ask from another thread, as another process would."""

    def asking() -> Any:
        owner = reach_owner(server._journal)
        assert owner is not None
        with owner:
            return call(owner)

    return await asyncio.to_thread(asking)


async def connected(server: ControlServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(server.path))


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def read(reader: asyncio.StreamReader) -> dict[str, Any]:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    frame: dict[str, Any] = json.loads(await reader.readexactly(length))
    return frame


async def exchange(server: ControlServer, *sent: bytes) -> list[dict[str, Any]]:
    """Send bytes, and return the answers there are until the other end closes."""
    reader, writer = await connected(server)
    writer.writelines(sent)
    writer.write_eof()
    answers: list[dict[str, Any]] = []
    try:
        while True:
            answers.append(await read(reader))
    except asyncio.IncompleteReadError:
        return answers
    finally:
        writer.close()


# ---- what it answers ------------------------------------------------------------------------------------------


async def test_each_command_asks_the_manager_and_answers_by_its_model(server: ControlServer, runs: Runs) -> None:
    before = datetime(2026, 1, 1, tzinfo=UTC)

    def all_of_them(owner: ReachedOwner) -> list[Any]:
        return [
            owner.call("ping"),
            owner.call("cancel", run="one", reason="enough", grace=2.5),
            owner.call("pause", run="one"),
            owner.call("resume", run="one"),
            owner.call("set_attributes", run="one", attributes={"a": 1, "b": True, "c": "x", "d": 1.5}),
            owner.call("prune", before=before, statuses=["failed"]),
            owner.call("recover"),
            owner.call("force_circuit", key="mail", state="forced_open"),
        ]

    answers = [answer.model_dump() for answer in await ask(server, all_of_them)]
    assert answers == [
        {"pid": os.getpid(), "version": "0.1.0", "journal": str(server._journal), "alive": 2},
        {"decided": True, "kept": True},
        {"changed": True, "kept": True},
        {"changed": False, "kept": True},
        {"kept": True},
        {"pruned": 3},
        {"runs": ["a"], "set_aside": {"b": "gone"}},
        {"kept": True},
    ]
    assert runs.asked == [
        ("cancel", "one", "enough", 2.5),
        ("pause", "one"),
        ("resume", "one"),
        ("set_attributes", "one", {"a": 1, "b": True, "c": "x", "d": 1.5}),
        ("prune", before, ["failed"]),
        ("recover", None),
        ("force_circuit", "mail", "forced_open"),
    ]
    assert [type(value) for value in runs.asked[3][2].values()] == [int, bool, str, float]


async def test_what_is_not_kept_in_time_is_in_force_and_said_so(server: ControlServer, runs: Runs) -> None:
    runs.error = NotKeptYet("run 'one' is being stopped", "disk full")
    runs.error.answer = True

    def all_of_them(owner: ReachedOwner) -> list[Any]:
        return [
            owner.call("cancel", run="one"),
            owner.call("pause", run="one"),
            owner.call("set_attributes", run="one", attributes={}),
            owner.call("force_circuit", key="mail", state="closed"),
        ]

    answers = [answer.model_dump() for answer in await ask(server, all_of_them)]
    kept = {"kept": False}
    assert answers == [{"decided": True, **kept}, {"changed": True, **kept}, kept, kept]


async def test_an_owner_that_is_too_old_for_a_command_is_named_with_its_version(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(frame: dict[str, Any]) -> Any:
        if frame["command"] == "force_circuit":
            raise DefinitionError.single("command", "command", "unknown command 'force_circuit': commands are ping")
        return request_of(frame["command"], frame["request"])

    monkeypatch.setattr("playbill.runtime.control.answering._read", older)

    def asking(owner: ReachedOwner) -> None:
        said = f"is process {os.getpid()} with playbill 0.1.0, which does not know 'force_circuit': end it"
        with pytest.raises(JournalError, match=said):
            owner.call("force_circuit", key="mail", state="closed")

    await ask(server, asking)


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (UnknownRun("one", "look elsewhere"), UnknownRun, "no run has the id 'one'"),
        (JournalError("disk full"), JournalError, "disk full"),
        (DefinitionError.single("x", "x", "wrong"), DefinitionError, "wrong"),
        (RuntimeError("this manager is closed: make a new one"), JournalError, "this manager is closed"),
        (ZeroDivisionError("a bug"), JournalError, "this is a fault of playbill's, please report it: ZeroDiv"),
    ],
)
async def test_errors_are_answers_and_the_connection_goes_on(
    server: ControlServer, runs: Runs, error: Exception, raised: type[Exception], said: str
) -> None:
    runs.error = error

    def asking(owner: ReachedOwner) -> Any:
        with pytest.raises(raised, match=said):
            owner.call("cancel", run="one")
        return owner.call("ping").alive

    assert await ask(server, asking) == 2


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({**PING, "version": 2}, "version 2 of the protocol: this playbill speaks 1; use the same one"),
        ({"command": "ping"}, "version None of the protocol"),
        ({**PING, "token": 1}, "unknown token: a frame has version, command and request"),
        ({**PING, "command": "explode"}, "unknown command 'explode': commands are ping, cancel, "),
        ({**PING, "command": ["ping"]}, r"unknown command \['ping'\]"),
        ({**PING, "request": {"x": 1}}, "'ping': x: Extra inputs are not permitted"),
        ({**PING, "request": 7}, "'ping': request: Input should be a valid dictionary"),
        ({**PING, "command": "cancel"}, "'cancel': run: Field required"),
        ({**PING, "command": "cancel", "request": {"run": 7}}, "'cancel': run: Input should be a valid string"),
        (
            {**PING, "command": "cancel", "request": {"run": "r", "grace": -1}},
            "'cancel': grace: Input should be greater than or equal to 0",
        ),
        (
            {**PING, "command": "prune", "request": {"before": "2026-01-01T00:00:00"}},
            "'prune': before: Input should have timezone info",
        ),
    ],
)
async def test_a_wrong_request_is_told_so_and_the_next_one_answered(
    server: ControlServer, runs: Runs, frame: dict[str, Any], said: str
) -> None:
    import re

    wrong, right = await exchange(server, encoded(frame), encoded(PING))
    assert wrong["error"]["kind"] == "request"
    assert re.search(said, wrong["error"]["text"])
    assert (right["reply"]["alive"], runs.asked) == (2, [])


# ---- whom it cuts off -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (struct.pack(">I", 2**20 + 1), "a frame of 1,048,577 bytes is announced, over the limit of 1,048,576"),
        (b"GET / HTTP/1.1\r\n\r\n", "bytes is announced, over the limit"),
        (struct.pack(">I", 3) + b"\xff\xfe{", "a frame is not JSON"),
        (struct.pack(">I", 2) + b"[]", "a frame is a JSON object"),
        (struct.pack(">I", 100_000) + b"[" * 100_000, "a frame is not JSON"),
    ],
)
async def test_what_is_not_a_frame_closes_its_connection(server: ControlServer, sent: bytes, said: str) -> None:
    (answer,) = await exchange(server, sent, encoded(PING))
    assert said in answer["error"]["text"]
    assert answer["error"]["text"].endswith("this connection is closed")
    assert len(await exchange(server, encoded(PING))) == 1
    assert not server._connections


async def test_who_breaks_off_in_the_midst_of_a_frame_gets_no_answer(server: ControlServer) -> None:
    assert await exchange(server, encoded(PING)[:-1]) == []
    assert await exchange(server, b"\0") == []


async def test_who_is_silent_is_cut_off(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SILENCE_SECONDS", 0.02)
    for begun in (b"", encoded(PING)[:6]):
        reader, writer = await connected(server)
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()


async def test_who_does_not_take_the_answer_is_cut_off(
    server: ControlServer, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "TAKING_SECONDS", 0.05)
    long = NotADirectoryError("x" * 900_000)
    runs.error = JournalError(str(long))
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        deaf.connect(str(server.path))
        request = {**PING, "command": "cancel", "request": {"run": "one"}}
        deaf.send(encoded(request))
        await until(lambda: server._connections)
        while server._connections:
            assert len(await exchange(server, encoded(PING))) == 1  # others are answered meanwhile
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("size", range(150_000, 300_000, 30_000))
async def test_who_asks_nothing_more_and_reads_late_still_gets_the_whole_answer(
    server: ControlServer, runs: Runs, size: int
) -> None:
    runs.error = JournalError("x" * size)  # some of these sizes are a little more than the system takes at once
    reader, writer = await connected(server)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(encoded({**PING, "command": "cancel", "request": {"run": "one"}}))
    writer.write_eof()
    await until(lambda: runs.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert len((await read(reader))["error"]["text"]) == size
    writer.close()


async def test_an_answer_that_is_too_large_is_told_so(server: ControlServer, runs: Runs) -> None:
    runs.error = JournalError("x" * 2**20)
    with pytest.raises(JournalError, match="the answer is too large"):
        await ask(server, lambda owner: owner.call("cancel", run="one"))


async def test_one_too_many_is_refused_and_let_in_once_another_leaves(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 1)
    _, first = await connected(server)
    await until(lambda: server._connections)
    reader, second = await connected(server)
    assert await reader.read() == b""
    first.close()
    await until(lambda: not server._connections)
    assert len(await exchange(server, encoded(PING))) == 1
    second.close()


async def test_another_user_is_cut_off(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "is_ours", lambda _: False)  # a second user cannot be had in a test
    reader, writer = await connected(server)
    assert await reader.read() == b""
    writer.close()


async def test_who_waits_for_an_answer_when_the_owner_goes_is_told(server: ControlServer, runs: Runs) -> None:
    runs.held = asyncio.Event()

    def asking(owner: ReachedOwner) -> None:
        with pytest.raises(JournalError, match="went away before it answered 'cancel', and may have done it"):
            owner.call("cancel", run="one")

    asked = asyncio.ensure_future(ask(server, asking))
    await until(lambda: runs.asked)
    server.close()
    await asked


async def test_who_waits_too_long_is_told(server: ControlServer, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from playbill.runtime.control.commands import COMMANDS

    runs.held = asyncio.Event()
    hasty = {name: command._replace(seconds=0.05) for name, command in COMMANDS.items()}
    monkeypatch.setattr("playbill.runtime.control.commands.COMMANDS", hasty)

    def asking(owner: ReachedOwner) -> None:
        with pytest.raises(JournalError, match=r"has not answered 'cancel' within 0\.05 s, and may have done it"):
            owner.call("cancel", run="one")

    await ask(server, asking)
    runs.held.set()


async def test_a_strange_answer_is_told(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def strange(*_: Any) -> dict[str, Any]:
        return {"version": 1, "reply": {"never": "heard of"}}

    monkeypatch.setattr(server, "_answer", strange)
    with pytest.raises(JournalError, match="in a way that this playbill does not know: use the same version"):
        await ask(server, lambda owner: owner.call("ping"))


async def test_a_manager_that_is_gone_is_told(folder: Path) -> None:
    server = ControlServer(folder / "runs.db", lambda: None, asyncio.get_running_loop())
    with pytest.raises(JournalError, match="the owner of this journal has let go of it"):
        await ask(server, lambda owner: owner.call("ping"))
    server.close()


# ---- where it lies, and when it is gone -----------------------------------------------------------------------


async def test_the_socket_is_this_users_alone_and_gone_when_it_is_closed(server: ControlServer, folder: Path) -> None:
    assert server.path == folder / "runs.db.sock"
    assert oct(server.path.stat().st_mode & 0o777) == "0o600"
    assert repr(server) == f"<ControlServer {server.path} 0>"
    server.close()
    server.close()
    assert not server.path.exists()
    assert reach_owner(folder / "runs.db") is None
    assert repr(server) == f"<ControlServer {server.path} closed>"


async def test_a_socket_that_was_left_over_is_replaced(folder: Path, runs: Runs) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "runs.db.sock"))
    assert reach_owner(folder / "runs.db") is None
    server = ControlServer(folder / "runs.db", lambda: runs, asyncio.get_running_loop())
    assert (await ask(server, lambda owner: owner.call("ping"))).alive == 2
    server.close()


async def test_a_socket_of_the_next_owner_is_left(folder: Path, runs: Runs) -> None:
    loop = asyncio.get_running_loop()
    first, second = (ControlServer(folder / "runs.db", lambda: runs, loop) for _ in range(2))
    first.close()
    assert (await ask(second, lambda owner: owner.call("ping"))).alive == 2
    second.close()


async def test_what_is_no_socket_is_left_and_warned_of(
    folder: Path, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "runs.db.sock").write_text("mine")
    assert serve(folder / "runs.db", lambda: runs, asyncio.get_running_loop()) is None
    assert (folder / "runs.db.sock").read_text() == "mine"
    assert "is there, and is not a socket: move it away; runs can be controlled from this process" in caplog.text


async def test_a_socket_that_cannot_be_made_is_warned_of_and_no_more(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_sockets(path: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(server_module, "_bound", no_sockets)
    async with playbill.PipelineRunManager(journal=f"sqlite:///{folder}/runs.db", types=[]) as manager:
        run = await manager.start_run({"nodes": [{"id": "a", "type": "parallel"}]})
        assert (await run.result()).status == "completed"
    assert "runs.db cannot be made: Operation not supported; runs can be controlled from this" in caplog.text


def test_a_path_that_is_too_long_has_its_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    long = Path("/", *["folder"] * 20, "runs.db")
    first, second = sockets_of(long)
    assert (first.parent, second.parent) == (Path("/run/user/7"), Path(tempfile.gettempdir()))
    assert first.name == second.name == socket_of(long).name
    assert len(os.fsencode(first)) <= 107
    assert socket_of(long.with_name("other.db")).name != first.name
    just = Path("/", "x" * (107 - len("/.sock")))
    assert socket_of(just) == just.with_name(f"{just.name}.sock")
    assert socket_of(Path(f"{just}x")).parent == Path("/run/user/7")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert sockets_of(long) == [second]


async def test_an_owner_with_a_long_path_is_reached(tmp_path: Path, runs: Runs) -> None:
    long = tmp_path.joinpath(*["folder"] * 15, "runs.db")
    server = ControlServer(long, lambda: runs, asyncio.get_running_loop())
    assert server.path.parent != long.parent
    assert (await ask(server, lambda owner: owner.call("ping"))).alive == 2
    server.close()
    assert not server.path.exists()


async def test_a_fork_does_not_serve_it(server: ControlServer) -> None:
    assert (await ask(server, lambda owner: owner.call("ping"))).alive == 2
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, repr(server._socket.fileno()).encode())
        os._exit(0)
    os.waitpid(child, 0)  # noqa: ASYNC222 (it ends at once)
    assert os.read(reading, 100) == b"-1"
    os.close(reading)
    os.close(writing)
    assert (await ask(server, lambda owner: owner.call("ping"))).alive == 2
