"""Answers over a SQLite journal: they are given when the file has what they are about, and say so when it has not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.actors import answers
from playbill.model.errors import JournalError
from playbill.model.facts import RunStatus
from playbill.model.machines.circuit_state import CircuitState
from playbill.runtime import last_ends, world
from playbill.runtime.embedded.blocking_run import BlockingRun
from playbill.runtime.journals.sqlite import batches
from playbill.runtime.journals.sqlite import journal as journal_module
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.last_ends import await_ends
from playbill.runtime.run import Run
from tests.runtime.journals.sqlite.faulty import Faults

pytestmark = pytest.mark.anyio
PIPELINE: dict[str, Any] = {"name": "holds", "nodes": [{"id": "a", "type": "holds"}]}


@playbill.node_type("holds")
async def holds(node: Any, inputs: Any, context: Any) -> None:
    """Be stopped."""
    context.resources["begun"].set()
    await asyncio.Event().wait()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds for a journal that fails."""
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(last_ends, "KEEP_SECONDS", 0.05)
    monkeypatch.setattr(journal_module, "CLOSE_SECONDS", 0.1)


@pytest.fixture(autouse=True)
def durable(tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """All managers have their journal in one file."""
    url = f"sqlite:///{tmp_path}/journal.db"
    monkeypatch.setattr(world, "MemoryJournal", lambda: SqliteJournal(url, connect=faults))


@pytest.fixture
async def manager() -> AsyncIterator[playbill.PipelineRunManager]:
    resources = {"begun": asyncio.Event()}
    manager = playbill.PipelineRunManager(types=[holds], resources=resources, grace=0)
    await manager.__aenter__()
    yield manager
    await manager.close()


@pytest.fixture
async def run(manager: playbill.PipelineRunManager) -> Run:
    run = await manager.start_run(PIPELINE, run_id="r")
    await manager._settings.resources["begun"].wait()
    return run


async def stored(manager: playbill.PipelineRunManager, stream: str = "r") -> list[str]:
    """The types of the events that the file has now."""
    assert manager._system is not None
    return [str(event.type) for event in await manager._system.parts.journal.reading.events(stream)]


async def test_whoever_is_answered_finds_it_in_the_file(manager: playbill.PipelineRunManager, run: Run) -> None:
    assert await run.pause() is True
    assert (await stored(manager))[-1] == "pipeline_run.paused"
    assert await run.resume() is True
    assert (await stored(manager))[-1] == "pipeline_run.resumed"
    assert await run.cancel() is True
    assert "pipeline_run.cancel_requested" in await stored(manager)
    assert (await run.result()).status is RunStatus.CANCELLED
    assert (await stored(manager))[-1] == "pipeline_run.cancelled"


async def test_a_forced_circuit_is_in_the_file_also_where_others_are_from_an_earlier_start(
    manager: playbill.PipelineRunManager, run: Run
) -> None:
    await manager.force_circuit("holds", "forced_open")
    await manager.force_circuit("holds", "closed")
    assert await stored(manager, "breaker:holds") == ["breaker.forced", "breaker.forced"]
    await manager.close()
    async with playbill.PipelineRunManager(types=[holds], resources={"begun": asyncio.Event()}, grace=0) as again:
        await again.start_run(PIPELINE)
        await again.force_circuit("holds", "disabled")
        assert await stored(again, "breaker:holds") == ["breaker.forced"] * 3


async def test_nobody_who_waits_waits_for_company(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LINGER_SECONDS", 1_000_000.0)
    assert await run.pause() is True
    assert await run.resume() is True
    assert await run.cancel() is True
    assert (await run.result()).status is RunStatus.CANCELLED


async def test_while_the_disk_fails_controls_act_and_say_that_they_are_not_kept(run: Run, faults: Faults) -> None:
    faults.fail("INSERT INTO events", 1_000_000)
    with pytest.raises(JournalError, match=r"^run 'r' is paused; the journal has not kept that yet.*disk I/O error"):
        await run.pause()
    with pytest.raises(JournalError, match=r"^run 'r' has ended cancelled; the journal has not kept that yet"):
        await run.cancel(grace=0)
    assert not run.done
    faults.before = lambda sql: None
    assert (await run.result()).status is RunStatus.CANCELLED


async def test_a_disk_that_is_back_answers_as_ever(run: Run, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 1_000_000.0)
    faults.fail("INSERT INTO events", 2)
    assert await run.pause() is True
    assert await run.cancel() is True


async def test_a_circuit_that_is_forced_while_the_disk_fails_is_so(
    manager: playbill.PipelineRunManager, run: Run, faults: Faults
) -> None:
    faults.fail("INSERT INTO", 1_000_000)
    with pytest.raises(JournalError, match=r"^what breaker 'holds' was told is in force; the journal has not kept"):
        await manager.force_circuit("holds", "forced_open")
    assert manager.circuits["holds"] is CircuitState.FORCED_OPEN
    faults.before = lambda sql: None


async def test_a_run_that_ended_on_a_dead_disk_is_given_up(
    manager: playbill.PipelineRunManager, run: Run, faults: Faults
) -> None:
    faults.fail("INSERT INTO events", 1_000_000)
    waiting = asyncio.ensure_future(run.result())
    run.request_cancel()
    assert await await_ends(manager._runs) == [run]
    said = r"^run 'r' has ended cancelled; the journal has not kept that: its manager was closed.*disk I/O error"
    with pytest.raises(JournalError, match=said):
        await waiting
    with pytest.raises(JournalError, match=r"journal .* is closed, and could not keep all of 'r'"):
        await manager.close()
    with pytest.raises(JournalError, match=said):
        await run.result()

    class Nobody:
        """No loop is there any more."""

        def check(self) -> None:
            raise AssertionError

        def call(self, work: Any, timeout: float | None = None) -> Any:
            raise AssertionError

    for ask in (BlockingRun(Nobody(), run).result, BlockingRun(Nobody(), run).wait):
        with pytest.raises(JournalError, match=said):
            ask()
