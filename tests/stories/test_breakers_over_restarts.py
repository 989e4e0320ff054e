"""Breakers over restarts: what was open or set by hand is so for the next manager of a journal."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.events import Event
from playbill.runtime.simulation.simulation import Simulation
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio]
Manager = playbill.PipelineRunManager
LONG = {"closing_shop": {"failures": 1, "open_seconds": 600.0}}
UP: dict[str, bool] = {}


@playbill.node_type("closing_shop")
async def shop(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    if not UP:
        raise ConnectionError("no shop")
    return {"sold": True}


@pytest.fixture(autouse=True)
def down() -> None:
    UP.clear()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


def shopping(policy: dict[str, Any] | None = None, **more: Any) -> playbill.PipelineDefinition:
    breakers = LONG if policy is None else {"closing_shop": policy}
    return pipeline(node("a", "closing_shop", **more), breakers=breakers)


async def outcome(manager: Manager, definition: playbill.PipelineDefinition) -> str:
    """Run it; return how it ended."""
    result = await (await manager.start_run(definition)).result()
    error = result.node_results["a"].error
    return (
        result.status if error is None else f"{result.status}: {error['type'] if isinstance(error, dict) else error}"
    )


async def breaker_events(manager: Manager, stream: str = "breaker:closing_shop") -> list[Event]:
    assert manager._system is not None
    return [*await manager._system.parts.journal.reading.events(stream)]


@pytest.fixture
async def opened(url: str) -> str:
    """A journal whose last manager left with the shop's circuit open."""
    async with Manager(journal=url) as manager:
        assert "no shop" in await outcome(manager, shopping())
    UP["closing_shop"] = True
    return url


@pytest.mark.real("a file, whose disk knows no virtual time")
class TestInAFile:
    async def test_an_open_circuit_lets_nobody_through_in_the_next_process(self, opened: str) -> None:
        async with Manager(journal=opened) as manager:
            assert manager.circuits == {"closing_shop": "open"}
            said = await outcome(manager, shopping())
            assert "circuit" in said
            assert "ConnectionError: no shop" in said

    async def test_its_time_goes_on_while_nobody_is_there(self, opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from playbill.runtime.clocks import system

        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(seconds=601)

        monkeypatch.setattr(system, "datetime", Later)
        async with Manager(journal=opened) as manager:
            for _ in range(1000):
                if manager.circuits == {"closing_shop": "half_open"}:
                    break
                await asyncio.sleep(0.005)
            assert await outcome(manager, shopping()) == "completed"
            assert manager.circuits == {"closing_shop": "closed"}

    async def test_it_can_be_closed_by_hand_before_any_pipeline_uses_it(self, opened: str) -> None:
        async with Manager(journal=opened) as manager:
            await manager.force_circuit("closing_shop", "closed")
            assert await outcome(manager, shopping()) == "completed"
        async with Manager(journal=opened) as manager:
            assert manager.circuits == {}

    async def test_what_was_set_by_hand_is_kept_over_any_number_of_processes(self, url: str) -> None:
        UP["closing_shop"] = True
        async with Manager(journal=url) as manager:
            assert await outcome(manager, shopping()) == "completed"
            await manager.force_circuit("closing_shop", "forced_open")
        for _ in range(3):
            async with Manager(journal=url) as manager:
                assert manager.circuits == {"closing_shop": "forced_open"}
        async with Manager(journal=url) as manager:
            assert "circuit" in await outcome(manager, shopping())
            events = await breaker_events(manager)
            assert [event.type for event in events] == ["breaker.forced", *["breaker.recovered"] * 4]
            assert [event.seq for event in events] == [1, 2, 3, 4, 5]
            assert [event.data["epoch"] for event in events] == [1, 2, 3, 4, 5]

    async def test_another_policy_wins_and_that_is_recorded(self, opened: str) -> None:
        async with Manager(journal=opened) as manager:
            shorter = shopping({"failures": 1, "open_seconds": 0.05, "open_cap_seconds": 0.05}, on_open="wait")
            assert await outcome(manager, shorter) == "completed"
            events = await breaker_events(manager)
        changed = [event.data for event in events if event.type == "breaker.policy_changed"]
        assert changed == [{"policy": {"failures": 1, "open_seconds": 0.05, "open_cap_seconds": 0.05}}]

    async def test_pruning_keeps_what_gives_the_states(self, opened: str) -> None:
        async with Manager(journal=opened) as manager:
            await manager.prune(datetime.now(UTC) + timedelta(days=1))
        async with Manager(journal=opened) as manager:
            assert manager.circuits == {"closing_shop": "open"}

    async def test_a_manager_that_recovers_nothing_begins_with_closed_circuits(self, opened: str) -> None:
        async with Manager(journal=opened, recover=False) as manager:
            assert await outcome(manager, shopping()) == "completed"

    async def test_an_event_that_nobody_can_read_harms_nothing_else(self, opened: str, tmp_path: Path) -> None:
        import sqlite3

        with sqlite3.connect(tmp_path / "runs.db") as file:
            file.execute("UPDATE own_events SET version = 99 WHERE stream = 'breaker:closing_shop'")
        async with Manager(journal=opened) as manager:
            assert await outcome(manager, shopping()) == "completed"


def test_a_circuit_that_was_open_stays_so_over_a_simulated_crash() -> None:
    with Simulation(crashes=(), types=[shop]) as sim:
        assert sim.result(sim.start(shopping())).status == "failed"
        UP["closing_shop"] = True
        sim.crash(outage=100)
        waits = sim.start(shopping(on_open="wait"))
        assert sim.manager.circuits == {"closing_shop": "open"}
        assert sim.result(waits).status == "completed"
        assert sim.time == pytest.approx(600, abs=3)


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_makes_it_no_longer_than_it_was(step: float) -> None:
    with Simulation(crashes=(), types=[shop]) as sim:
        sim.result(sim.start(shopping()))
        UP["closing_shop"] = True
        sim.crash(outage=100, clock_step=step)
        assert sim.result(sim.start(shopping(on_open="wait"))).status == "completed"
        assert sim.time == pytest.approx(700 if step < 0 else 100, abs=3)
