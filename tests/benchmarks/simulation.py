"""What a simulation costs: seeds a second, a month of delays, a day of arrivals; against its targets, not a floor."""

import time
from typing import Any

import playbill
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.faults.plan import EVERYTHING
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.simulation.explore import WATCHED_EACH, explore
from playbill.runtime.simulation.load.engine import simulate_load
from playbill.runtime.simulation.load.plan import load_plan
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.virtual.world import VirtualWorld
from tests.benchmarks.measure import row

SEEDS = 2_000
SEED_GATE = 2.0
"""What it shall cost, against a bare run; it costs 2.4 times as much."""
TEN_EDGES = ((0, 1), (0, 2), (0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 7), (6, 8), (7, 9), (8, 9))
"""A trigger, three branches of two, two joins and an end: source and target of each edge."""


@playbill.node_type("brief")
async def brief(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, int]:
    """Take half a virtual second."""
    await context.sleep(0.5)
    return {"n": len(inputs)}


def ten_nodes() -> playbill.PipelineDefinition:
    nodes = [playbill.PipelineNode(id="n0", type="trigger")]
    nodes += [playbill.PipelineNode(id=f"n{i}", type="brief", timeout=30.0) for i in range(1, 10)]
    edges = [playbill.PipelineEdge(from_node=f"n{a}", to_node=f"n{b}") for a, b in TEN_EDGES]
    return playbill.PipelineDefinition(name="ten", nodes=nodes, edges=edges)


def thirty_days() -> playbill.PipelineDefinition:
    nodes = [playbill.PipelineNode(id=f"d{i}", type="delay", config={"seconds": 86_400}) for i in range(30)]
    edges = [playbill.PipelineEdge(from_node=f"d{i}", to_node=f"d{i + 1}") for i in range(29)]
    return playbill.PipelineDefinition(name="month", nodes=nodes, edges=edges, timeout=31 * 86_400.0)


def seeds_a_second() -> float:
    """All faults, all invariants, no escape watch left out; the best of three rounds of CPU time."""
    study = Study(ten_nodes(), faults=EVERYTHING, options={"types": [brief]})
    study.check()
    explore(study, 200)
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        seen = explore(study, SEEDS)
        best = max(best, SEEDS / (time.process_time() - began))
        assert not seen.findings
    return best


def bare_run(study: Study) -> None:
    """Run a study's pipeline once on a virtual loop: no faults, mail in order, nobody looks."""
    loop, manager = VirtualLoop(), playbill.PipelineRunManager(**study.options)
    study.share(manager)
    loop.world = VirtualWorld(SeededTape(0), LoopDispatcher)

    async def whole() -> str:
        async with manager:
            run = await manager.start_run(study.definition, study.trigger_data)
            return str((await run.result()).status)

    assert loop.run_until_complete(whole()) == "completed"
    loop.close()


def seed_against_bare_run(rounds: int = 30, seeds: int = 104) -> tuple[float, float]:
    """The least CPU time, in us, of a bare run and of a seed with all faults and invariants; in turns.

    One seed in eight is watched for escapes, as all but the first of an exploration are.
    """
    study = Study(ten_nodes(), faults=EVERYTHING, options={"types": [brief]})
    study.check()
    best = [float("inf")] * 2

    def bare_runs() -> None:
        for _ in range(seeds):
            bare_run(study)

    def some_seeds() -> None:
        with study.guard:
            for seed in range(seeds):
                study.seed(seed, watched=seed % WATCHED_EACH == 0)

    for _ in range(rounds):
        for index, work in enumerate((bare_runs, some_seeds)):
            began = time.process_time()
            work()
            best[index] = min(best[index], (time.process_time() - began) / seeds * 1e6)
    return best[0], best[1]


def month_ms() -> float:
    """The best of ten runs, invariants on."""
    definition, best = thirty_days(), float("inf")
    for _ in range(10):
        with Simulation(types=[]) as sim:
            began = time.perf_counter()
            assert sim.run(definition).status == "completed"
            best = min(best, (time.perf_counter() - began) * 1e3)
    return best


def load_us_a_run() -> float:
    """Half an hour of ten arrivals a second, of which a day is 48; CPU time, best of two."""
    plan = load_plan(
        {
            "span": "30m",
            "arrivals": {"poisson": {"rate": 10.0}},
            "behaviours": {"types": {"brief": {"duration": {"exponential": 0.8}}}},
        }
    )
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        outcome = simulate_load(ten_nodes(), plan, types=[brief])
        best = min(best, (time.process_time() - began) / outcome.measures.arrived * 1e6)
    return best


def report() -> None:
    """Print the table of simulations."""
    speed = seeds_a_second()
    row("10 nodes, all faults, invariants", "2000 seeds/s", f"{speed:.0f} seeds/s", 2000 / speed, 1.0)
    bare, seed = seed_against_bare_run()
    row("a seed: 10 nodes, all of it", f"bare {bare:.0f} us", f"{seed:.0f} us", seed / bare, SEED_GATE)
    ms = month_ms()
    row("30 delays of a day", "10 ms", f"{ms:.1f} ms", ms / 10, 1.0)
    us = load_us_a_run()
    row("10 nodes at 10 runs/s, a run", "694 us", f"{us:.0f} us", us / 694, 1.0)  # 600 s for a day's 864,000
