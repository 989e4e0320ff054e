"""A manager whose journal's file fails for real: clear errors, nothing acknowledged lost, and runs that go on."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.runtime.journals.sqlite.faulty import small_disk
from tests.runtime.journals.sqlite.history import check_history
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file that fails")]
Manager = playbill.PipelineRunManager


@playbill.node_type("filed_gives")
async def gives(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Give a text that cannot be made much smaller."""
    return {"text": Random(7).randbytes(node.config["size"] // 2).hex()}


@playbill.node_type("filed_waits")
async def waits(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Wait until it is let go."""
    await context.resources["let_go"].wait()
    return {"attempt": context.attempt}


TYPES = [gives, waits]


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def large(nodes: int = 5) -> playbill.PipelineDefinition:
    """A chain of nodes that give 60 KB each."""
    names = [f"n{place}" for place in range(nodes)]
    made = [node(name, "filed_gives", *names[place + 1 : place + 2], size=60_000) for place, name in enumerate(names)]
    return pipeline(*made, outputs={"last": f"size(inputs.{names[-1]}.text)"})


def journal_of(manager: Manager) -> SqliteJournal:
    assert manager._system is not None
    journal = manager._system.parts.journal
    assert isinstance(journal, SqliteJournal)
    return journal


async def until_failing(manager: Manager) -> str:
    """Wait until the journal says that it keeps nothing at the moment."""
    journal = journal_of(manager)
    while journal.error is None:  # noqa: ASYNC110 (runs hear of it, and nobody else)
        await asyncio.sleep(0.01)
    return journal.error


def content(path: Path) -> bytes:
    return path.read_bytes()


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


# ---- while runs are at work -----------------------------------------------------------------------------------


async def test_runs_on_a_full_disk_wait_and_go_on_once_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        ballast, path = disk / "ballast", disk / "runs.db"
        async with Manager(journal=url(path), types=TYPES, on_exit="wait") as manager:
            ballast.write_bytes(b"x" * 3_000_000)
            acknowledged: list[playbill.Run] = []
            goes_on = asyncio.Event()

            async def start() -> None:
                while True:
                    acknowledged.append(await manager.start_run(large(), run_id=f"run-{len(acknowledged)}"))
                    goes_on.set()

            starting = asyncio.create_task(start())
            said = await until_failing(manager)
            assert "there is no space left for it: make some; runs wait meanwhile, and go on by themselves" in said
            known = [run.id for run in acknowledged]
            kept = {row.run_id for row in (await manager.list_runs(limit=1000)).runs}
            assert known
            assert set(known) <= kept
            goes_on.clear()
            ballast.unlink()
            await goes_on.wait()
            starting.cancel()
            results = [await run.result() for run in acknowledged[: len(known)]]
            assert {(result.status, result.outputs["last"]) for result in results} == {("completed", 60_000)}
        check_history(path)


async def test_a_full_disk_answers_who_starts_a_run_and_keeps_its_word(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2048) as disk:
        ballast, path = disk / "ballast", disk / "runs.db"
        async with Manager(journal=url(path), types=TYPES, on_exit="wait") as manager:
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(b"x" * 4_000_000)
            with pytest.raises(JournalError, match="there is no space left") as raised:
                await manager.start_run(large(1), run_id="one")
            assert "run 'one'" in str(raised.value)
            ballast.unlink()
            run = await manager.start_run(large(1), run_id="one")
            assert (await run.result()).status == "completed"
        check_history(path)


async def test_runs_wait_for_another_program_that_has_locked_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    resources = {"let_go": asyncio.Event()}
    definition = pipeline(node("wait", "filed_waits", "give"), node("give", "filed_gives", size=10))
    async with Manager(journal=url(path), types=TYPES, resources=resources, on_exit="wait") as manager:
        run = await manager.start_run(definition, run_id="one")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            resources["let_go"].set()
            assert "another program has locked it: end that one" in await until_failing(manager)
            assert "give" not in run.node_results
            other.execute("ROLLBACK")
        assert (await run.result()).status == "completed"
    check_history(path)


# ---- when a manager opens it ----------------------------------------------------------------------------------


@pytest.fixture
def parked(tmp_path: Path) -> Path:
    """A journal with a run that is left to the next manager, and one that has ended."""
    path = tmp_path / "runs.db"
    asyncio.run(park(path))
    return path


async def park(path: Path) -> None:
    resources = {"let_go": asyncio.Event()}
    definition = pipeline(node("give", "filed_gives", "wait", size=100_000), node("wait", "filed_waits"))
    async with Manager(journal=url(path), types=TYPES, resources=resources, on_exit="park", grace=0) as manager:
        await (await manager.start_run(large(1), run_id="ended")).result()
        for name in ("one", "two"):
            run = await manager.start_run(definition, run_id=name)
            async for event in run.events():
                if event.node_id == "wait":
                    break


async def goes_on(path: Path, *names: str) -> None:
    """Assert that a manager takes these runs up, and no other, and comes to their end."""
    resources = {"let_go": asyncio.Event()}
    resources["let_go"].set()
    async with Manager(journal=url(path), types=TYPES, resources=resources, on_exit="wait") as manager:
        assert sorted((await manager.recovered()).runs) == sorted(names)
        for name in names:
            assert (await (await manager.open_run(name)).result()).status == "completed"


async def refused(path: Path) -> str:
    with pytest.raises(JournalError) as raised:
        async with Manager(journal=url(path), types=TYPES):
            pass
    return str(raised.value)


async def test_a_file_that_has_become_read_only_is_told_and_its_runs_go_on_once_it_is_not(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        path = disk / "runs.db"
        await park(path)
        before = content(path)
        remount(disk, "ro")
        assert "its file system is read-only: name a file elsewhere" in await refused(path)
        assert content(path) == before
        remount(disk, "rw")
        await goes_on(path, "one", "two")
        check_history(path)


async def test_runs_of_a_file_that_another_program_has_locked_go_on_once_it_is_free(parked: Path) -> None:
    resources = {"let_go": asyncio.Event()}
    resources["let_go"].set()
    with closing(sqlite3.connect(parked, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with Manager(journal=url(parked), types=TYPES, resources=resources, on_exit="wait") as manager:
            assert "another program has locked it: end that one" in await until_failing(manager)
            assert [row.run_id for row in (await manager.list_runs(statuses=["completed"])).runs] == ["ended"]
            other.execute("ROLLBACK")
            for name in ("one", "two"):
                assert (await (await manager.open_run(name)).result()).status == "completed"
    check_history(parked)


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (id)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("PRAGMA user_version = 99")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5_000])


def no_database(path: Path) -> None:
    path.write_text("dear diary\n" * 900, encoding="utf-8")


WRONG_FILES: dict[Callable[[Path], None], str] = {
    foreign: "is a SQLite file of another program: name another file for the journal",
    newer: "a newer playbill wrote it; use that one, or another file",
    truncated: "keep a copy, and restore a backup",
    no_database: "is not a SQLite file: name another file for the journal",
}


@pytest.mark.parametrize("change", WRONG_FILES)
async def test_a_file_that_is_none_of_its_journals_is_refused_and_left_as_it_is(
    parked: Path, change: Callable[[Path], None]
) -> None:
    change(parked)
    before = content(parked)
    assert WRONG_FILES[change] in await refused(parked)
    assert content(parked) == before


@pytest.mark.parametrize(
    ("command", "change"),
    [
        *(("run", change) for change in WRONG_FILES),
        *zip(("runs", "show", "cancel", "recover"), WRONG_FILES, strict=True),
    ],
)
def test_the_command_line_refuses_it_too(
    parked: Path, tmp_path: Path, command: str, change: Callable[[Path], None]
) -> None:
    change(parked)
    before = content(parked)
    (tmp_path / "hello.yaml").write_text("name: hello\nnodes: [{id: a, type: trigger}]\n", encoding="utf-8")
    arguments = {"run": ["hello.yaml"], "runs": []}.get(command, ["one"])
    ran = subprocess.run(
        [sys.executable, "-m", "playbill.runtime.cli", command, *arguments, "--journal", str(parked)],
        cwd=tmp_path, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert ran.returncode == 2, ran
    assert WRONG_FILES[change] in ran.stderr.replace("\n", " ")
    assert "Traceback" not in ran.stderr
    assert content(parked) == before


# ---- what is damaged in it ------------------------------------------------------------------------------------


def overwrite(path: Path, page: int, at: int = 0, size: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + at)
        file.write(b"\xa5" * size)


def payload_of(path: Path, run: str) -> bytes:
    query = "SELECT zlib FROM payloads WHERE run = (SELECT id FROM runs WHERE run_id = ?)"
    with closing(sqlite3.connect(path)) as connection:
        return bytes(connection.execute(query, (run,)).fetchone()[0])


def root_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(connection.execute(query, (table,)).fetchone()[0])


async def test_a_run_with_a_corrupt_page_is_set_aside_and_all_others_go_on(parked: Path) -> None:
    payload = payload_of(parked, "one")
    place = content(parked).find(payload[-3_000:-2_900])  # in one of the pages that are its alone
    assert place > 0
    overwrite(parked, place // 4096 + 1, place % 4096, 50)
    resources = {"let_go": asyncio.Event()}
    resources["let_go"].set()
    async with Manager(journal=url(parked), types=TYPES, resources=resources, on_exit="wait") as manager:
        taken = await manager.recovered()
        assert (taken.runs, [*taken.set_aside]) == (["two"], ["one"])
        assert "damaged" in taken.set_aside["one"]
        with pytest.raises(playbill.RunSetAside, match="damaged"):
            await manager.open_run("one")
        assert (await manager.get_run("two").result()).status == "completed"
        assert (await (await manager.start_run(large(1), run_id="three")).result()).status == "completed"
        assert (await (await manager.open_run("ended")).result()).status == "completed"


async def test_where_no_run_can_be_read_all_are_set_aside_and_say_why(parked: Path) -> None:
    overwrite(parked, root_of(parked, "events"))
    async with Manager(journal=url(parked), types=TYPES) as manager:
        taken = await manager.recovered()
        assert (taken.runs, sorted(taken.set_aside)) == ([], ["one", "two"])
        assert {("it is damaged: keep a copy" in said) for said in taken.set_aside.values()} == {True}
        with pytest.raises(JournalError, match="damaged: keep a copy"):
            await manager.open_run("ended")
