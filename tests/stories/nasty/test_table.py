"""Each cell of the table, as a user meets it."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.runtime.processes.support import Lifeline
from tests.stories.nasty import handlers
from tests.stories.nasty.support import assert_in_bound, definition, node_of, opened, ready, turns_until_ended
from tests.stories.nasty.table import COLUMNS, TABLE, Ends, Interrupted, Late, Named, Refused, Stopped, cells

pytestmark = [pytest.mark.anyio, pytest.mark.real("nasty handlers need real threads and processes")]

PROCESSES = {"forks": 3, "double_forks": 2, "forks_with_lock": 2}
"""How many processes of a body say that they are ready."""
LIMITS: dict[str, Any] = {"eats": {"limits": {"memory_bytes": 100_000_000}}}


def parametrized(*kinds: Any) -> pytest.MarkDecorator:
    found = cells(*kinds)
    return pytest.mark.parametrize(
        ("body", "column", "cell"), found, ids=[f"{body}-{column}" for body, column, _ in found]
    )


@parametrized(Stopped)
async def test_it_is_stopped_with_the_receipt_it_earned(
    lifeline: Lifeline, body: str, column: str, cell: Stopped
) -> None:
    async with opened() as manager:
        run = await manager.start_run(definition(body, column, lifeline.path))
        (pid, *_) = await ready(lifeline, PROCESSES.get(body, 1))
        while body == "stops_itself" and not is_stopped(pid):  # noqa: ASYNC110 (only its parent is told)
            await asyncio.sleep(0)
        grace = 0.1 if cell.receipt == "killed" else 10.0
        assert await run.cancel("enough", grace=grace)
        result = await run.result()
        found = node_of(result)
        assert found.receipt is not None
        assert (found.status, found.receipt.how) == ("cancelled", cell.receipt)
        assert_in_bound(found, grace)
        assert not lifeline.is_held
        assert (result.orphans, manager.orphans) == ((), 0)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@parametrized(Late)
async def test_what_cannot_be_stopped_is_an_orphan_and_its_late_result_changes_nothing(
    lifeline: Lifeline, body: str, column: str, cell: Late
) -> None:
    async with opened(kill_bound=0.1) as manager:
        run = await manager.start_run(definition(body, column, lifeline.path))
        await ready(lifeline)
        await run.cancel("enough", grace=0.1)
        result = await run.result()
        found = node_of(result)
        assert found.receipt is not None
        assert (found.receipt.how, found.output) == ("abandoned", None)
        assert_in_bound(found, 0.1)
        assert (result.orphans, manager.orphans) == (("a",), 1)
        before, shown = manager.dead_letters, result.as_dict()
        handlers.LET_GO.set()
        await turns_until_ended(manager)
        while manager.dead_letters == before:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)
        assert manager.dead_letters == before + 1
        assert (await run.result()).as_dict() == shown
        assert not lifeline.is_held


@parametrized(Ends)
async def test_it_ends_by_itself_and_leaves_nothing(
    lifeline: Lifeline, body: str, column: str, cell: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as manager:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run = await manager.start_run(definition(body, column, lifeline.path, **LIMITS.get(body, {})))
        await ready(lifeline, PROCESSES.get(body, 1))
        result = await run.result()
        assert not lifeline.is_held
        assert node_of(result).receipt is None
        if cell.error:
            assert result.error is not None
            assert cell.error in result.error.message
            assert result.error.retryable
        else:
            assert result.status == "completed", result.error
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        if column == "process":
            after = await (await manager.start_run(fine())).result()
            assert after.outputs["a"]["threads"] == ["MainThread"]


def fine() -> dict[str, Any]:
    return {"nodes": [{"id": "a", "type": "fine", "isolation": "process"}]}


@parametrized(Refused)
async def test_it_is_refused_before_anything_runs(lifeline: Lifeline, body: str, column: str, cell: Refused) -> None:
    async with opened() as manager:
        with pytest.raises(playbill.DefinitionError, match=cell.error):
            await manager.start_run(definition(body, column, lifeline.path, **LIMITS[body]))


async def blocked(manager: playbill.PipelineRunManager) -> playbill.Event:
    """Return the first word of the watchdog about node `a`."""
    kind = playbill.EventType.LOOP_BLOCKED
    async for event in manager.events():
        if event.type is kind and event.node_id == "a":
            return event
    raise AssertionError("the events have no end")


@parametrized(Interrupted)
async def test_what_blocks_the_loop_is_interrupted_if_that_is_allowed(
    lifeline: Lifeline, body: str, column: str, cell: Interrupted
) -> None:
    async with opened(watchdog_seconds=0.05, watchdog_interrupts=True) as manager:
        watching = asyncio.create_task(blocked(manager))
        await asyncio.sleep(0)
        run = await manager.start_run(definition(body, column, lifeline.path), run_id="r")
        result = await run.result()
        assert result.error is not None
        assert result.error.type == "Interrupted"
        event = await watching
        assert (event.data["run_id"], event.attempt) == ("r", 1)
        assert "bodies.py" in event.data["stack"]


@parametrized(Named)
async def test_what_nobody_can_end_is_named(lifeline: Lifeline, body: str, column: str, cell: Named) -> None:
    async with opened(watchdog_seconds=0.05) as manager:
        watching = asyncio.create_task(blocked(manager))
        await asyncio.sleep(0)
        run = await manager.start_run(definition(body, column, lifeline.path), run_id="r")
        event = await watching
        assert (event.data["run_id"], event.attempt) == ("r", 1)
        assert "bodies.py" in event.data["stack"] or column == "thread"  # it may have returned by then
        assert (await run.result()).status == "completed"  # it was bounded, for the test's sake


def test_the_table_has_no_cell_without_a_test() -> None:
    kinds = {type(cell).__name__ for row in TABLE for cell in row.cells}
    assert kinds == {"Stopped", "Late", "Ends", "Refused", "Interrupted", "Named", "HostStops", "HostEnds", "InHost"}
    assert all(len(row.cells) == len(COLUMNS) for row in TABLE)
