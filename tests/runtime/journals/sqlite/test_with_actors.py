"""The same actors over a SQLite journal: runs end as they do in memory, and the file tells what happened."""

from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.facts import RunStatus
from playbill.model.runstate import RunState
from playbill.runtime import world
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.runtime.journals.sqlite.history import check_history

pytestmark = pytest.mark.anyio
PIPELINE: dict[str, Any] = {
    "name": "doubles",
    "nodes": [
        {"id": "start", "type": "trigger", "next": ["a", "b"]},
        {"id": "a", "type": "doubled", "next": "c"},
        {"id": "b", "type": "doubled", "next": "c"},
        {"id": "c", "type": "doubled"},
    ],
}


@playbill.node_type("doubled")
async def doubled(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {"n": 2 * context.trigger_data["n"]}


async def test_a_run_is_kept_as_it_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    monkeypatch.setattr(world, "MemoryJournal", lambda: SqliteJournal(url))
    async with playbill.PipelineRunManager(types=[doubled]) as manager:
        runs = [await manager.start_run(PIPELINE, {"n": number}, run_id=f"run-{number}") for number in range(3)]
        results = [await run.result() for run in runs]
        live = [[event async for event in run.events()] for run in runs]
    assert [result.outputs["c"] for result in results] == [{"n": 0}, {"n": 2}, {"n": 4}]
    journal = SqliteJournal(url)
    stored = [list(await journal.reading.events(run.id)) for run in runs]
    assert stored == live
    for events, result in zip(stored, results, strict=True):
        state = RunState()
        for event in events:
            state.apply(event)
        assert (state.status, state.seq) == (result.status, len(events))
    page = await journal.reading.runs(RunQuery(statuses=(RunStatus.COMPLETED,), pipeline="doubles"))
    assert sorted(row.run_id for row in page.runs) == ["run-0", "run-1", "run-2"]
    assert {row.last_seq for row in page.runs} == {len(events) for events in stored}
    await journal.aclose()
    check_history(journal.path)
