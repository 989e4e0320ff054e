"""A manager that is made with start_paused: it owns its journal and shows what is there, and begins nothing."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError, RunParked
from playbill.runtime.control.offline import control
from tests.stories import support
from tests.stories.support import node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
REFUSED = r"begins or goes on before `resume_all\(\)`"
BEGUN: Counter[str] = Counter()
"""The attempts that began, by run; over all managers of a test."""


@playbill.node_type("paused_step")
async def step(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> None:
    BEGUN[context.run_id] += 1
    if (held := context.resources.get("held")) is not None:
        await held.wait()


ONE = pipeline(node("a", "paused_step"))


@pytest.fixture(autouse=True)
def fresh() -> None:
    BEGUN.clear()


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """A journal with one run that has ended, one that has not, and one that is paused, as a park leaves it."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    async with Manager(journal=url, types=[step]) as manager:
        await (await manager.start_run(ONE, run_id="ended", attributes={"n": 1})).result()
    held = asyncio.Event()
    async with Manager(journal=url, types=[step], resources={"held": held}, on_exit="park", grace=0.0) as manager:
        for name in ("one", "two"):
            run = await manager.start_run(ONE, run_id=name)
            async for event in run.events():
                if event.type == "pipeline_node.started":
                    break
        await manager.pause_run("two")
    BEGUN.clear()
    return url


async def statuses(manager: Manager) -> dict[str, str]:
    return {row.run_id: str(row.status) for row in (await manager.list_runs()).runs}


async def check_refused(manager: Manager) -> None:
    assert manager.is_paused
    for refused in (
        manager.start_run(ONE),
        manager.start_run(ONE, run_id="ended"),
        manager.retry_run("ended"),
        manager.fork_run("ended", "a"),
        manager.recovered(),
        manager.recover(),
    ):
        with pytest.raises(RuntimeError, match=REFUSED):
            await refused
    assert manager.active_runs == []


# ---- in memory, and simulated -----------------------------------------------------------------------------------


async def test_nothing_begins_until_resume_all() -> None:
    async with Manager(types=[step], start_paused=True) as manager:
        await check_refused(manager)
        with pytest.raises(playbill.UnknownRun):
            await manager.open_run("ended")
        with pytest.raises(playbill.UnknownRun):
            await manager.recover("ended")
        manager.resume_all()
        assert not manager.is_paused
        assert await manager.recovered() == await manager.recover() == playbill.TakenUp()
        run = await manager.start_run(ONE)
        assert (await run.result()).status == "completed"
        manager.resume_all()
        assert manager.get_run(run.id) is run


@pytest.mark.parametrize("on_exit", ["cancel", "wait"])
async def test_leaving_one_that_is_paused_waits_for_nothing(on_exit: Any) -> None:
    async with Manager(types=[step], start_paused=True, on_exit=on_exit) as manager:
        assert manager.is_paused
    with pytest.raises(RuntimeError, match="this manager is closed"):
        manager.resume_all()


async def test_who_is_not_paused_may_be_resumed() -> None:
    async with Manager(types=[step]) as manager:
        assert not manager.is_paused
        manager.resume_all()
        assert (await (await manager.start_run(ONE)).result()).status == "completed"


async def test_it_may_be_resumed_before_anything_else() -> None:
    manager = Manager(types=[step], start_paused=True)
    assert manager.is_paused
    manager.resume_all()
    async with manager:
        assert (await (await manager.start_run(ONE)).result()).status == "completed"


async def test_it_is_said_by_true_or_false() -> None:
    wrong: Any = "yes"
    with pytest.raises(playbill.DefinitionError, match="start_paused is True or False, not 'yes'"):
        Manager(types=[], start_paused=wrong)


# ---- with a journal in a file -----------------------------------------------------------------------------------


@pytest.mark.real("a file")
async def test_it_owns_its_journal_and_begins_nothing_of_it(url: str) -> None:
    async with Manager(journal=url, types=[step], start_paused=True) as manager:
        await check_refused(manager)
        assert await statuses(manager) == {"two": "paused", "one": "running", "ended": "completed"}
        with pytest.raises(JournalError, match="is open in this process already"):
            async with Manager(journal=url, types=[step]):
                pass
        assert (await manager.open_run("ended")).done
        for name in ("one", "two"):
            with pytest.raises(RuntimeError, match=f"run '{name}' has not ended, and nothing {REFUSED}"):
                await manager.open_run(name)
        with pytest.raises(playbill.DefinitionError, match="halves of characters"):
            await manager.open_run("\ud800")
        await manager.set_attributes("one", {"n": 2})
        assert (await manager.list_runs(attributes={"n": 2})).runs[0].run_id == "one"
        assert await manager.prune(datetime.now(UTC) + timedelta(days=1)) == 1
        assert [*await statuses(manager)] == ["two", "one"]
    assert BEGUN == {}


@pytest.mark.real("a file")
async def test_runs_go_on_when_it_is_resumed_but_for_those_that_somebody_paused(url: str) -> None:
    async with Manager(journal=url, types=[step], start_paused=True) as manager:
        manager.resume_all()
        assert await manager.recovered() == playbill.TakenUp(["one", "two"])
        assert (await manager.get_run("one").result()).status == "completed"
        assert manager.get_run("two").is_paused
        assert BEGUN == {"one": 1}
        await manager.resume_run("two")
        assert (await manager.get_run("two").result()).status == "completed"


@pytest.mark.real("a file")
async def test_who_takes_up_nothing_takes_up_nothing_when_it_is_resumed(url: str) -> None:
    async with Manager(journal=url, types=[step], start_paused=True, recover=False, on_exit="park") as manager:
        manager.resume_all()
        assert await manager.recovered() == playbill.TakenUp()
        assert await statuses(manager) == {"two": "paused", "one": "running", "ended": "completed"}
        assert (await (await manager.open_run("one")).result()).status == "completed"


@pytest.mark.real("a file")
async def test_runs_are_cancelled_paused_and_resumed_while_it_is_paused(url: str) -> None:
    async with Manager(journal=url, types=[step], start_paused=True) as manager:
        assert await manager.cancel_run("one", "not again")
        assert await manager.resume_run("two")
        assert await statuses(manager) == {"two": "running", "one": "cancelled", "ended": "completed"}
        assert (await (await manager.open_run("one")).result()).status == "cancelled"
        manager.resume_all()
        assert await manager.recovered() == playbill.TakenUp(["two"])
        assert (await manager.get_run("two").result()).status == "completed"
    assert BEGUN == {"two": 1}


@pytest.mark.real("a file")
async def test_one_run_may_be_tried_alone(url: str) -> None:
    async with Manager(journal=url, types=[step], start_paused=True) as manager:
        assert await manager.recover("one") == playbill.TakenUp(["one"])
        assert (await (await manager.open_run("one")).result()).status == "completed"
        assert await statuses(manager) == {"two": "paused", "one": "completed", "ended": "completed"}
        await check_refused(manager)
        assert BEGUN == {"one": 1}
        manager.resume_all()
        assert await manager.recovered() == playbill.TakenUp(["two"])


@pytest.mark.real("a file")
@pytest.mark.parametrize("on_exit", ["cancel", "wait", "park"])
async def test_leaving_one_that_is_paused_leaves_the_runs_of_others_as_they_are(url: str, on_exit: Any) -> None:
    async with Manager(journal=url, types=[step], start_paused=True, on_exit=on_exit) as manager:
        before = [(row.run_id, row.status, row.last_seq) for row in (await manager.list_runs()).runs]
    async with Manager(journal=url, types=[], recover=False, on_exit="park") as manager:
        assert [(row.run_id, row.status, row.last_seq) for row in (await manager.list_runs()).runs] == before
    assert BEGUN == {}


@pytest.mark.real("a file")
@pytest.mark.parametrize(("on_exit", "ends"), [("cancel", "cancelled"), ("wait", "completed"), ("park", "running")])
async def test_a_run_that_was_tried_alone_ends_as_others_do(url: str, on_exit: Any, ends: str) -> None:
    held = asyncio.Event()
    given = {"held": held}
    async with Manager(
        journal=url, types=[step], resources=given, start_paused=True, on_exit=on_exit, grace=0.0
    ) as manager:
        await manager.recover("one")
        run = manager.get_run("one")
        async for event in run.events(from_seq=1):
            if (event.type, event.attempt) == ("pipeline_node.started", 2):
                break
        if on_exit == "wait":
            asyncio.get_running_loop().call_soon(held.set)
    if on_exit == "park":
        with pytest.raises(RunParked):
            await run.result()
    async with Manager(journal=url, types=[], start_paused=True) as manager:
        assert await statuses(manager) == {"two": "paused", "one": ends, "ended": "completed"}


@pytest.mark.real("another process")
async def test_who_asks_from_elsewhere_is_refused_alike(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    async with Manager(journal=url, types=[step], start_paused=True) as manager:
        with pytest.raises(JournalError, match=REFUSED):
            await asyncio.to_thread(control, path, "recover")
        with pytest.raises(JournalError, match=REFUSED):
            await asyncio.to_thread(control, path, "fork", run="ended", node="a")
        answer = await asyncio.to_thread(control, path, "cancel", run="one")
        assert (answer.decided, manager.active_runs) == (True, [])


@pytest.mark.real("a thread")
async def test_a_sync_program_has_the_same(url: str) -> None:
    def program() -> None:
        with playbill.BlockingManager(journal=url, types=[step], start_paused=True) as manager:
            was_paused = manager.is_paused
            for refused in (lambda: manager.start_run(ONE), manager.recovered, lambda: manager.open_run("one")):
                with pytest.raises(RuntimeError, match=REFUSED):
                    refused()
            assert manager.recover("one") == playbill.TakenUp(["one"])
            manager.get_run("one").result()
            manager.resume_all()
            assert (was_paused, manager.is_paused) == (True, False)
            assert manager.recovered() == playbill.TakenUp(["two"])

    await asyncio.to_thread(program)


@pytest.mark.real("a thread")
async def test_a_pipeline_that_is_run_at_once_is_refused() -> None:
    with pytest.raises(RuntimeError, match=REFUSED):
        await asyncio.to_thread(playbill.run, ONE, start_paused=True, types=[*support.ALL, step])
