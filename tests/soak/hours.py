"""An hour in virtual time: `python -m tests.soak.hours [HOURS [JOBS [FIRST]]]`, which is what `make test-long` runs.

One simulated program lives for an hour and more: it starts a run every few seconds, under faults of every kind, and
dies every few minutes; the next one goes on with what is on its disk. All invariants hold, and each run comes to an
end that its pipeline can come to. Each hour has a seed of its own.
"""

import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from functools import partial
from random import Random
from time import perf_counter, process_time
from typing import Any, Final, NamedTuple

import playbill
from playbill.model.definition import definition_from
from playbill.model.errors import JournalError
from playbill.model.wording import describe_seconds
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.simulation.simulation import Simulation
from tests.soak.crashes import ALL_KINDS, add, fail_first
from tests.soak.drawn_faults import CALM, FAILING, FORCED, JOURNAL
from tests.soak.handlers import HANDLERS
from tests.soak.running import be_quiet
from tests.soak.studies import COROUTINES, WIDE

Said = dict[str, Any]

HOUR: Final = 3_600.0
STARTS: Final = (1.0, 9.0)
"""Seconds from one start to the next."""
DEATHS: Final = (40.0, 300.0)
"""Seconds from one death to the next."""
OUTAGES: Final = (0.0, 0.0, 1.0, 20.0, 600.0)
CLOCK_STEPS: Final = (0.0, 0.0, 0.0, -3_600.0, 60.0)
SHARE: Final = 0.3
"""How often the faults of attempts happen, of what they do in the short soak: most runs shall get somewhere."""
FORCED_SHARE: Final = 0.05
DEFINITIONS: Final = tuple(definition_from(said) for said in (ALL_KINDS, ALL_KINDS, COROUTINES, WIDE))
BREAKERS: Final = {**ALL_KINDS["breakers"], **COROUTINES["breakers"]}
"""The manager's, for two of the definitions have one of a name."""
OUTPUTS: Final[Said] = {"sum": 107, "sources": ["b", "no", "start"]}
"""What ALL_KINDS gives whenever it completes."""


def timed(random: Random) -> Iterator[Said]:
    """Yield what users and clocks do all over the hour."""
    for minute in range(0, int(HOUR), 60):
        yield {"fault": "cancel", "at": minute + random.uniform(0, 60), "grace": random.choice((0.0, 1.0, 4.0))}
        yield {"fault": "pause", "at": minute + random.uniform(0, 60), "seconds": random.choice((0.3, 6.0, 90.0))}
        if random.random() < 0.2:
            yield {
                "fault": "clock_skew",
                "at": minute + random.uniform(0, 60),
                "seconds": random.choice((-90.0, 60.0)),
            }


def faults(seed: int) -> FaultPlan:
    """Return all that goes wrong in the hour of a seed, beside the deaths."""
    calm = [fault | {"probability": SHARE * fault["probability"]} for fault in (*CALM, *FAILING)]
    late = {"fault": "message_delay", "probability": 0.002, "seconds": 0.5}
    dies = {"fault": "crash", "probability": 0.0005}
    return fault_plan({"faults": [*calm, *JOURNAL, late, dies, *timed(Random(f"faults {seed}"))]})


class Hour(NamedTuple):
    """What came of one."""

    seed: int
    statuses: Counter[str]
    fired: Counter[str]
    lives: int
    events: int
    seconds: float
    """Virtual ones."""
    cpu_seconds: float
    wrong: str = ""
    """What is wrong; empty: nothing."""


def live(seed: int, seconds: float = HOUR) -> Hour:
    """Live through an hour; never raises for what it finds."""
    began, statuses = process_time(), Counter[str]()
    types = (*HANDLERS, add, fail_first)
    options: Any = {"types": types, "breakers": BREAKERS, "keep_runs": 100, "grace": 2.0}
    sim = Simulation(seed, faults=faults(seed), crashes=(), allow=None, **options)
    wrong = ""
    try:
        with sim:
            start_runs(sim, Random(seed), seconds)
            for run in list(sim._runs.values()):
                result = sim.result(run)
                statuses[str(result.status)] += 1
                _look(run, result)
    except Exception as error:  # noqa: BLE001 (whatever it is, the seed is told with it)
        wrong = f"seed {seed}, {sim.time:,.1f} s, life {sim.lives}: {type(error).__name__}: {error}"
    durable = sim.durable
    assert durable is not None
    events = sum(len(kept.written) for kept in durable.disk.streams.values())
    fired = Counter(durable.injector.fired)
    return Hour(seed, statuses, fired, sim.lives, events, sim.time, process_time() - began, wrong)


def start_runs(sim: Simulation, random: Random, seconds: float) -> None:
    """Start runs, and let the program die, until it has lived for an hour, outages not counted."""
    lived, death = 0.0, random.uniform(*DEATHS)
    while lived < seconds:
        sim.start(random.choice(DEFINITIONS), {"amount": random.randint(1, 9)})
        sim.advance(wait := random.uniform(*STARTS))
        lived += wait
        if "soaks" in sim.manager.circuits and random.random() < FORCED_SHARE:
            state = random.choice((*FORCED, "closed", "closed"))
            with suppress(JournalError):  # it is in force, and not kept yet
                sim.surviving(partial(_force, sim, state))
        if lived > death:
            sim.crash(random.choice(OUTAGES), random.choice(CLOCK_STEPS))
            death = lived + random.uniform(*DEATHS)


async def _force(sim: Simulation, state: str) -> None:
    """Force a circuit, if the process that lives now knows it."""
    if "soaks" in sim.manager.circuits:
        await sim.manager.force_circuit("soaks", state)


def _look(run: playbill.Run, result: playbill.RunResult) -> None:
    """Look at how a run ended.

    Raises:
        AssertionError: its pipeline cannot end so.
    """
    if run.definition.name == ALL_KINDS["name"] and result.status == "completed" and result.outputs != OUTPUTS:
        raise AssertionError(f"'{run.id}' completed with {result.outputs}, and can only with {OUTPUTS}")


def describe(hour: Hour) -> str:
    """Return the line of an hour."""
    return (
        f"seed {hour.seed}: {describe_seconds(hour.seconds)} simulated, {sum(hour.statuses.values()):,} runs"
        f" {dict(hour.statuses)}, {hour.lives - 1} crashes, {hour.events:,} events kept,"
        f" {hour.fired.total():,} faults, {hour.cpu_seconds:,.0f} s of CPU"
    )


def main(hours: int = 2, jobs: int = 2, first: int = 0) -> bool:
    """Live, and print what came of it; tell whether all is well."""
    be_quiet()
    began, found = perf_counter(), list[Hour]()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=be_quiet) as pool:
        running = {pool.submit(live, seed) for seed in range(first, first + hours)}
        while running:
            done, running = wait_for(running, return_when=FIRST_COMPLETED)
            for future in done:
                found.append(hour := future.result())
                print(hour.wrong or describe(hour), flush=True)
    wrong = sum(bool(hour.wrong) for hour in found)
    simulated = describe_seconds(sum(hour.seconds for hour in found))
    crashes, runs = sum(hour.lives - 1 for hour in found), sum(hour.statuses.total() for hour in found)
    print(
        f"{simulated} simulated in {perf_counter() - began:,.0f} s, {runs:,} runs, {crashes} crashes, {wrong} found"
    )
    return not wrong


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
