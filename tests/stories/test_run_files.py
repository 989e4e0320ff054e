"""A run as a file, by Python: what is written is read, and whatever is no such file is refused with its place."""

from collections.abc import Callable
from pathlib import Path

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
