"""A seed is cheap, and nothing less: its world leaves nothing to the collector, faults of a kind need one draw."""

import asyncio
import gc
import time
from contextvars import ContextVar
from typing import Any

import pytest

import playbill
from playbill.runtime.faults.chances import NEVER, Chances, Choice
from playbill.runtime.faults.kinds import Raise
from playbill.runtime.faults.plan import EVERYTHING, fault_plan
from playbill.runtime.faults.tape import DullTape, RecordedTape, SeededTape
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.escapes import EscapeWatch
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from tests.runtime.simulation.worlds import study_of, works

DRAWS = 20_000
WHO: ContextVar[str] = ContextVar("who", default="nobody")


def choices(*probabilities: float) -> list[Choice[Raise]]:
    fault = Raise()
    return [Choice(str(place), fault, probability) for place, probability in enumerate(probabilities)]


def chain(types: str) -> dict[str, Any]:
    nodes = [{"id": f"n{place}", "type": types} for place in range(4)]
    return {"name": "chain", "nodes": nodes, "edges": [{"from": f"n{i}", "to": f"n{i + 1}"} for i in range(3)]}


def test_a_seed_leaves_nothing_to_the_collector() -> None:
    rule = {"always": "known", "that": "event.node == null || has(nodes.n0)"}
    faults = EVERYTHING.joined(fault_plan({"properties": [rule]}))
    study = study_of(chain("works"), faults, allow=None, options={"types": [works]})
    for seed in range(5):
        study.seed(seed)
    left: dict[str, int] = {}
    gc.collect()
    gc.freeze()  # what was there before is looked at no more
    gc.disable()
    try:
        for seed in range(40):
            status = study.seed(seed).status
            left[status] = max(left.get(status, 0), gc.collect())
    finally:
        gc.enable()
        gc.unfreeze()
    assert left["completed"] == 0


def test_faults_drawn_together_happen_as_often_as_each_would_alone() -> None:
    probabilities = (0.08, 0.02, 0.05)
    together, tape = Chances(choices(*probabilities)), SeededTape(1)
    occasions, hits = 0, {"0": 0, "1": 0, "2": 0}
    for _ in range(DRAWS):
        occasions += together.spares(tape) + 1
        hits[together.which(tape).name] += 1
    missed = 1.0
    for (name, times), probability in zip(hits.items(), probabilities, strict=True):
        assert times / occasions == pytest.approx(missed * probability, rel=0.1), name
        missed *= 1.0 - probability


def test_a_dull_tape_spares_all_and_what_is_certain_spares_none() -> None:
    nothing = RecordedTape({})
    assert Chances(choices(0.5, 0.5)).spares(nothing) == NEVER
    assert Chances(choices()).spares(nothing) == NEVER
    assert Chances(choices(0.0)).spares(SeededTape(1)) == NEVER
    certain = Chances(choices(0.5, 1.0))
    assert certain.spares(DullTape()) == 0
    assert {certain.which(SeededTape(seed)).name for seed in range(20)} == {"0", "1"}
    assert certain.which(nothing).name == "0"


def test_callbacks_and_timers_run_in_the_context_they_were_asked_for_in() -> None:
    loop, told = VirtualLoop(), list[str]()

    async def main() -> None:
        WHO.set("me")
        loop.call_soon(lambda: told.append(WHO.get()))
        loop.call_later(1.0, lambda: told.append(WHO.get()))
        loop.call_soon(WHO.set, "another")
        WHO.set("you")
        await asyncio.sleep(2.0)
        told.append(WHO.get())

    loop.run_until_complete(main())
    loop.close()
    assert told == ["me", "me", "you"]


def test_a_cancelled_callback_is_never_called() -> None:
    loop, told = VirtualLoop(), list[str]()

    async def main() -> None:
        handles = [loop.call_soon(told.append, "soon"), loop.call_later(1.0, told.append, "later")]
        for handle in handles:
            handle.cancel()
        assert all(handle.cancelled() for handle in handles)
        assert loop.pending == []
        await asyncio.sleep(2.0)

    loop.run_until_complete(main())
    loop.close()
    assert told == []


def test_a_watch_that_looks_away_sees_the_next_step_again() -> None:
    watch = EscapeWatch()
    watch.look_away()  # it does not watch yet
    watch.enter()
    watch.look_away()
    time.monotonic()
    watch.leave()
    assert watch.escapes == []

    @playbill.node_type("reads")
    async def reads(node: Any, inputs: Any, context: Any) -> dict[str, float]:
        return {"at": time.time()}

    assert study_of(chain("reads"), {}, allow=(), options={"types": [reads]}).seed(1).status == "wrong"


def test_a_simulation_of_ones_own_is_not_taken_apart() -> None:
    with Simulation(types=[works]) as sim:
        assert sim.run(chain("works")).status == "completed"
    assert [event.type for event in sim.world.events][-1] == "pipeline_run.completed"
