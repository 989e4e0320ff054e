"""A run as a file, by Python: what is written is read, and whatever is no such file is refused with its place."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.stories.support import ALL, node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("files, which know no virtual time")]
Manager = playbill.PipelineRunManager
ORDER = pipeline(node("a", "trigger", "b"), node("b", "fails", fatal=True), name="order")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jsonl*"))


@pytest.fixture
async def exported(tmp_path: Path) -> Path:
    """The file of a run that has failed."""
    async with Manager(journal=f"sqlite:///{tmp_path / 'there.db'}", types=ALL) as manager:
        await (await manager.start_run(ORDER, {"n": 1}, run_id="one", attributes={"who": "me"})).result()
        await manager.export_run("one", tmp_path / "run.jsonl")
        with pytest.raises(playbill.UnknownRun):
            await manager.export_run("two", tmp_path / "two.jsonl")
        with pytest.raises(playbill.JournalError, match="is there already"):
            await manager.export_run("one", tmp_path / "run.jsonl")
        with pytest.raises(playbill.JournalError, match="cannot be written: No such file or directory"):
            await manager.export_run("one", tmp_path / "no" / "run.jsonl")
    assert names(tmp_path) == ["run.jsonl"]  # no part of one is left
    return tmp_path / "run.jsonl"


async def test_a_run_is_exported_and_imported_whole(exported: Path, tmp_path: Path) -> None:
    async with Manager(journal=f"sqlite:///{tmp_path / 'there.db'}", types=ALL) as manager:
        there = await manager.open_run("one")
        result, events = await there.result(), there.kept_events
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        assert await manager.import_run(exported) == "one"
        run = await manager.open_run("one")
        assert (await run.result(), run.kept_events, run.trigger_data) == (result, events, {"n": 1})
        [row] = (await manager.list_runs(attributes={"who": "me"})).runs
        assert (row.run_id, row.status) == ("one", "failed")
        with pytest.raises(playbill.DefinitionError, match="has a run 'one' already: import it by another id"):
            await manager.import_run(exported)
        assert await manager.import_run(exported, new_id="two") == "two"
        again = await (await manager.retry_run("two")).result()
        assert again.node_results["a"].reused_from == "two"
    async with Manager(types=ALL) as manager:
        with pytest.raises(playbill.DefinitionError, match="a journal that outlives the process"):
            await manager.import_run(exported)


def rewrite(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "nothing\n", "this line is not JSON"),
        (lambda text: "", "this is not the file of a run"),
        (lambda text: "{}\n", "this is not the file of a run"),
        (lambda text: "[1]\n", "is an object of JSON"),
        (lambda text: text.replace('{"playbill_run":1', '{"playbill_run":2'), "written by a newer playbill"),
        (lambda text: text[: len(text) // 2].rsplit("\n", 1)[0] + "\n", "the file was cut"),
        (lambda text: text[:-40], "this line is not JSON"),
        (lambda text: text.replace('"timeout":', '"timeoff":', 1), "timeoff"),
        (lambda text: text.replace('"seq":2', '"seq":3'), "not numbered 1, 2, 3"),
        (lambda text: text.replace('"name":"order"', '"name":"other"'), "its definition is another one"),
        (lambda text: text.replace('"run_id":"one"', '"run_id":"other"', 1), "events of another run"),
    ],
)
async def test_what_is_no_file_of_a_run_is_refused_with_its_place(
    exported: Path, tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    rewrite(exported, change)
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        with pytest.raises(playbill.DefinitionError) as told:
            await manager.import_run(exported)
        assert said in str(told.value)
        assert "run.jsonl:" in str(told.value)
        assert (await manager.list_runs()).runs == ()
        with pytest.raises(playbill.DefinitionError, match="cannot be read: No such file"):
            await manager.import_run(tmp_path / "nothing.jsonl")


def edited(file: Path, place: int, change: Callable[[Any], None]) -> None:
    """Change one line of a file, as JSON."""
    lines = file.read_text(encoding="utf-8").splitlines()
    line = json.loads(lines[place])
    change(line)
    lines[place] = json.dumps(line)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        (0, lambda line: line["row"].update(created_at="2026-01-01T00:00:00"), "naive"),
        (0, lambda line: line["row"].update(origin="\ud800"), "surrogates not allowed"),
        (0, lambda line: line["row"].update(run_id=""), "run_id is text that is not empty"),
        (0, lambda line: line["row"].update(attributes={"a b": 1}), "attribute 'a b'"),
        (1, lambda line: line["data"].pop("grace"), "its first event lacks grace"),
        (1, lambda line: line.update(at="0001-01-01T00:00:00+14:00"), "date value out of range"),
        (3, lambda line: line["data"].update(live=[99, -1]), "has live edges that node 'a' does not have"),
        (3, lambda line: line.update(node_id="x"), "is of node 'x', which its definition does not have"),
    ],
)
async def test_what_no_journal_takes_is_refused_and_the_owner_goes_on(
    exported: Path, tmp_path: Path, place: int, change: Callable[[Any], None], said: str
) -> None:
    edited(exported, place, change)
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        with pytest.raises(playbill.DefinitionError) as told:
            await manager.import_run(exported)
        assert said in str(told.value)
        await (await manager.start_run(pipeline(node("a", "trigger")), run_id="own")).result()
        assert [row.run_id for row in (await manager.list_runs()).runs] == ["own"]


async def test_a_refused_import_touches_nothing_of_the_run_that_has_its_id(exported: Path, tmp_path: Path) -> None:
    stranger = {"node_id": "a", "attempt": 1, "number": 1, "at": "2026-01-01T00:00:00Z", "level": "info", "text": "x"}
    rewrite(exported, lambda text: insert_log(text, stranger))
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        live = await manager.start_run(pipeline(node("a", "delay", seconds=60)), run_id="one")
        with pytest.raises(playbill.DefinitionError, match="has a run 'one' already"):
            await manager.import_run(exported)
        assert await live.pause()
        assert await live.cancel()
        assert (await live.result()).status == "cancelled"
        assert await live.logs() == []
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        with pytest.raises(playbill.DefinitionError, match="has a run 'one' already"):
            await manager.import_run(exported)
        assert await (await manager.open_run("one")).logs() == []


def insert_log(text: str, line: dict[str, Any]) -> str:
    lines = text.splitlines()
    lines[-1:] = [json.dumps({"log": line}), json.dumps({"lines": len(lines)})]
    return "\n".join(lines) + "\n"


async def test_how_a_run_ended_is_what_its_events_tell_whatever_its_row_says(exported: Path, tmp_path: Path) -> None:
    edited(exported, 0, lambda line: line["row"].update(status="running"))
    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=ALL) as manager:
        await manager.import_run(exported)
        assert (await (await manager.open_run("one")).result()).status == "failed"
    lines = exported.read_text(encoding="utf-8").splitlines()  # noqa: ASYNC240 (a small file)
    lines[-2:] = [json.dumps({"lines": len(lines) - 2})]
    rewrite(exported, lambda _text: "\n".join(lines) + "\n")
    edited(exported, 0, lambda line: line["row"].update(status="completed"))
    async with Manager(journal=f"sqlite:///{tmp_path / 'there2.db'}", types=ALL) as manager:
        await manager.import_run(exported)
        assert (await manager.recovered()).runs == []
        assert (await (await manager.open_run("one")).result()).status == "cancelled"


async def test_an_import_under_another_id_keeps_the_keys_of_its_retries(exported: Path, tmp_path: Path) -> None:
    keys: list[str] = []

    @playbill.node_type("fails")
    async def mended(node: Any, inputs: Any, context: playbill.NodeContext) -> None:
        keys.append(context.idempotency_key)

    async with Manager(journal=f"sqlite:///{tmp_path / 'here.db'}", types=[mended]) as manager:
        await manager.import_run(exported, new_id="copy")
        run = await manager.retry_run("copy", new_id="again")
        assert ((await run.result()).status, keys) == ("completed", ["one/b"])
        await manager.prune(datetime.now(UTC), ["failed"])
        assert await manager.retry_run("copy", new_id="again") is run
        with pytest.raises(playbill.UnknownRun):
            await manager.retry_run("copy", new_id="other")


async def test_a_retry_that_begins_as_its_manager_closes_is_cancelled_with_it(exported: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'there.db'}"
    left: list[Any] = []
    for turns in range(12):
        async with Manager(journal=url, types=ALL) as manager:
            await manager.recovered()
            beginning = asyncio.ensure_future(manager.retry_run("one", new_id=f"r{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0.001)
        await asyncio.wait([beginning])
        if beginning.exception() is None:
            assert (await beginning.result().result()).status in {"cancelled", "failed"}
    async with Manager(journal=url, types=ALL, recover=False) as manager:
        left = [row.run_id for row in (await manager.list_runs(statuses=["pending", "running"])).runs]
    assert left == []
