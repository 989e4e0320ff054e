"""A large pipeline is planned beside what else goes on, and nothing is left of what ends early."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.stored_form import definition_of
from playbill.runtime.definitions import slices
from playbill.runtime.recovery import durable_runs

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
NODES = 1500
"""With their edges they are more than are planned at once."""


@playbill.node_type("nothing")
async def nothing(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {"said": node.config.get("say")}


def mapping(nodes: int = NODES, **more: Any) -> dict[str, Any]:
    return {
        "nodes": [{"id": f"n{i}", "type": "nothing", "config": {"say": "so"}} for i in range(nodes)],
        "edges": [{"from": f"n{i}", "to": f"n{i + 1}"} for i in range(nodes - 1)],
        **more,
    }


def large(**more: Any) -> playbill.PipelineDefinition:
    return playbill.PipelineDefinition.model_validate(mapping(**more))


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)  # a turn of others after each step
    return Manager(types=[nothing])


async def start_soon(manager: Manager, given: Any, *args: Any, **more: Any) -> asyncio.Task[playbill.Run]:
    """Return the task of a start that is planning."""
    task = asyncio.create_task(manager.start_run(given, *args, **more))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_what_somebody_has_frozen_stays_so_and_is_counted_seldom(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To count them all takes long, where there are many."""
    counted: list[int] = []

    def count() -> int:
        counted.append(5)
        return 5

    monkeypatch.setattr(gc, "get_freeze_count", count)
    monkeypatch.setattr(gc, "unfreeze", lambda: pytest.fail("it was thawed"))
    async with manager:
        await (await manager.start_run(large())).result()
    assert len(counted) <= 2


@pytest.mark.parametrize("given", [large, mapping])
async def test_others_have_their_turn_while_a_large_pipeline_is_planned(
    manager: Manager, given: Callable[[], Any]
) -> None:
    async with manager:
        starting = await start_soon(manager, given())
        turns = 0
        while not starting.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > NODES // 32
        assert (await (await starting).result()).status == "completed"


@pytest.mark.parametrize("given", [large(), {"nodes": [{"id": "a", "type": "nothing"}]}])
async def test_what_is_small_or_known_is_started_without_a_pause(manager: Manager, given: Any) -> None:
    async with manager:
        if isinstance(given, playbill.PipelineDefinition):
            manager.prepare(given)
        start = manager.start_run(given)
        with pytest.raises(StopIteration) as end:
            start.send(None)
        await end.value.value.result()


async def test_a_large_pipeline_is_what_it_was_when_it_was_given(manager: Manager) -> None:
    definition, data = large(), {"to": ["Lyon"]}
    async with manager:
        starting = await start_soon(manager, definition, data)
        definition.nodes[-1].config["say"] = "otherwise"
        definition.edges.clear()
        data["to"].append("Paris")
        run = await starting
        result = await run.result()
        assert result.outputs[f"n{NODES - 1}"] == {"said": "so"}
        assert len(run.definition.edges) == NODES - 1
        assert run.trigger_data == {"to": ["Lyon"]}
        again = await manager.start_run(definition)
        assert len(again.definition.edges) == 0


async def test_who_wants_an_id_that_is_being_planned_gets_the_run_of_it(manager: Manager) -> None:
    definition = large()
    async with manager:
        first = await start_soon(manager, definition, run_id="one")
        second = await start_soon(manager, definition, run_id="one")
        other = await start_soon(manager, playbill.PipelineDefinition.model_validate(mapping(1)), run_id="one")
        assert not manager.is_running("one")
        assert await second is await first
        with pytest.raises(playbill.DefinitionError, match="'one' is taken by a run with another definition"):
            await other
        with pytest.raises(playbill.DefinitionError, match="'one' is taken by a run with another trigger data"):
            await manager.start_run(definition, {"a": 1}, run_id="one")


async def test_one_object_that_is_wanted_twice_is_planned_once(manager: Manager) -> None:
    definition = large()
    async with manager:
        first, second = [await start_soon(manager, definition) for _ in range(2)]
        assert (await first).definition is (await second).definition


async def test_a_manager_that_is_closed_begins_nothing_that_is_still_planned(manager: Manager) -> None:
    async with manager:
        one = await start_soon(manager, large(), run_id="one")
        waits = await start_soon(manager, large(), run_id="one")
        next_one = await start_soon(manager, large())
        await manager.close()
        for _ in range(4):
            await asyncio.sleep(0)
        assert all(starting.done() for starting in (one, waits, next_one))
        for starting in (one, waits, next_one):
            with pytest.raises(RuntimeError, match="this manager is closed: make a new one"):
                await starting
        assert manager.active_runs == []


async def test_who_gives_up_leaves_the_id_to_who_waits_for_it(manager: Manager) -> None:
    definition = large()
    async with manager:
        first = await start_soon(manager, definition, run_id="one")
        second = await start_soon(manager, definition, run_id="one")
        third = await start_soon(manager, definition, run_id="one")
        second.cancel()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(asyncio.CancelledError):
            await second
        run = await third
        assert await manager.start_run(definition, run_id="one") is run
        assert len(manager.active_runs) == 1


async def test_a_cancelled_start_begins_no_run_and_frees_its_id(manager: Manager) -> None:
    async with manager:
        starting = await start_soon(manager, large(), run_id="one")
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert manager.active_runs == []
        assert (await manager.start_run({"nodes": [{"id": "a", "type": "nothing"}]}, run_id="one")).id == "one"


@pytest.mark.parametrize(
    ("more", "data", "said"),
    [
        ({"outputs": {"a": "inputs.nowhere.x"}}, {}, "names no node"),
        ({"inputs": {"required": ["city"]}}, {}, "city"),
        ({}, {"city": object()}, "city"),
        ({"inputs": {"type": "no such"}}, {}, "no such"),
    ],
)
async def test_a_large_pipeline_with_problems_frees_its_id(
    manager: Manager, more: dict[str, Any], data: dict[str, Any], said: str
) -> None:
    async with manager:
        with pytest.raises(playbill.DefinitionError, match=said):
            await manager.start_run(large(**more), data, run_id="one")
        assert (await manager.start_run({"nodes": [{"id": "a", "type": "nothing"}]}, run_id="one")).id == "one"


def test_a_simulation_plans_without_a_pause() -> None:
    definition, turns = large(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def starting(manager: Manager) -> None:
        counting = asyncio.ensure_future(count())
        await manager.start_run(definition)
        counting.cancel()

    with playbill.Simulation(seed=1, types=[nothing]) as sim:
        sim.loop.run_until_complete(starting(sim.manager))
    assert turns == 0


async def test_who_waits_at_the_exit_waits_for_what_is_planned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    async with Manager(types=[nothing], on_exit="wait") as manager:
        starting = [await start_soon(manager, large()), await start_soon(manager, large())]
    for each in starting:
        assert (await (await each).result()).status == "completed"


async def test_a_new_id_costs_a_durable_start_no_look_at_its_own_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be pinned and read back at once, and others on the loop would wait: only who finds a run compares."""
    read: list[object] = []

    def note(stored: Any) -> playbill.PipelineDefinition:
        read.append(stored["nodes"][0]["id"])
        return definition_of(stored)

    monkeypatch.setattr(durable_runs, "definition_of", note)
    async with Manager(types=[nothing], journal=f"sqlite:///{tmp_path}/runs.db") as manager:
        run = await manager.start_run(large(), run_id="r")
        assert read == []
        with pytest.raises(playbill.DefinitionError, match="with another definition"):
            await manager.start_run(large(name="other"), run_id="r")
        assert read == ["n0"]
        await run.cancel()
