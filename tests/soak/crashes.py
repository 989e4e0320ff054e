"""Crash points: `python -m tests.soak.crashes [POINTS [JOBS [FIRST]]]`, which is what `make test-long` runs.

A process dies before, within and after each write of its journal, in every study of the soak, with all of their
faults; and in studies in which nothing hangs on chance, where each run must end as it does without a crash.
"""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import cache
from itertools import count, islice
from time import perf_counter
from typing import Any, Final, NamedTuple

import playbill
from playbill.model.definition import definition_from
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.simulation.crashes import explore_crashes
from playbill.runtime.simulation.explore import Exploration
from playbill.runtime.simulation.study import Study
from tests.soak.running import be_quiet
from tests.soak.studies import EXAMPLES, STUDIES

Said = dict[str, Any]


@playbill.node_type("adds")
async def add(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> Said:
    """Add what came in to what the config says, after a while."""
    await context.sleep(node.config.get("seconds", 1.0))
    return {
        "n": node.config.get("n", 1) + sum(given.get("n", 0) for given in inputs.values()),
        "from": sorted(inputs),
    }


@playbill.node_type("fails_first")
async def fail_first(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> Said:
    """Fail in the first and the third attempt: three are enough, if those that a crash has cut short do not count."""
    await context.sleep(0.5)
    if context.attempt in {1, 3}:
        raise ConnectionError("not yet")
    return {"n": 1}


ALL_KINDS: Final[Said] = {
    "name": "all-kinds",
    "timeout": 900,
    "max_concurrency": 2,
    "breakers": {"adds": {"max_concurrent": 2}},
    "nodes": [
        {"id": "start", "type": "trigger", "next": ["a", "b", "wait"]},
        {"id": "a", "type": "adds", "config": {"seconds": 3}, "next": ["big"]},
        {"id": "b", "type": "adds", "config": {"n": 5}, "on_open": "wait", "next": ["join"]},
        {"id": "wait", "type": "delay", "config": {"seconds": 90}, "next": ["join"], "total_timeout": 400},
        {"id": "big", "type": "condition", "config": {"condition": "input.n > 3"}, "next": [
            {"to": "yes", "condition": "true"}, {"to": "no", "condition": "false"}]},
        {"id": "yes", "type": "adds", "next": ["join"]},
        {"id": "no", "type": "fails_first", "retry": {"max_attempts": 3, "base": 20.0}, "next": ["join"]},
        {"id": "join", "type": "adds", "total_timeout": 300, "next": ["charge"]},
        {"id": "charge", "type": "adds", "on_crash": "fail", "config": {"n": 100}},
    ],
    "outputs": {"sum": "inputs.charge.n", "sources": "inputs.join.from"},
}  # fmt: skip


def all_kinds() -> Study:
    """Everything there is of which nothing hangs on chance."""
    plan = fault_plan({"faults": [
        {"fault": "pause", "at": 2.0, "seconds": 3.0},
        {"fault": "journal_slow", "probability": 0.1, "seconds": 0.4},
        {"fault": "message_delay", "probability": 0.05, "seconds": 0.2},
    ]})  # fmt: skip
    options: Any = {"types": [add, fail_first]}
    return Study(definition_from(ALL_KINDS), {"amount": 12}, plan, options=options)


def certain(path: str, data: Said) -> Study:
    """One of the example pipelines, in which everything goes well and takes as long as chance says."""
    behaviour = {
        "output": {"ok": True, "approved": True, "size": 3, "commits": 40},
        "duration": {"uniform": [0.0, 3.0]},
    }
    plan = fault_plan({"behaviours": {"default": behaviour}})
    return Study(open_definition(EXAMPLES / path, None), data, plan)


CERTAIN: Final[dict[str, Callable[[], Study]]] = {
    "all-kinds": all_kinds,
    "certain-report": lambda: certain("01_repository_report/pipeline.yaml", {}),
    "certain-order": lambda: certain("pipelines/order.yaml", {"amount": 12}),
    "certain-nightly": lambda: certain("pipelines/nightly.yaml", {}),
}
"""The studies in which each run ends as it does without a crash."""
CRASHING: Final = CERTAIN | STUDIES


@cache
def made(name: str) -> Study:
    """Return a process's own study of a name."""
    return CRASHING[name]()


class Share(NamedTuple):
    """One seed of one study."""

    name: str
    seed: int


def shares(first: int) -> Iterator[Share]:
    """Yield seed after seed of all studies, without an end."""
    for seed in count(first):
        yield from (Share(name, seed) for name in CRASHING)


def crashed(share: Share) -> tuple[Share, Exploration]:
    """Run a seed of a study with a crash at each of its points; every second and third with more of them."""
    name, seed = share
    seen = explore_crashes(made(name), first=seed, deaths=1 + seed % 3, same_end=name in CERTAIN)
    return share, seen


def soak(points: int, jobs: int, first: int = 0) -> Iterator[tuple[Share, Exploration]]:
    """Yield what was seen, until there were so many points."""
    work = shares(first)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=be_quiet) as pool:
        running = {pool.submit(crashed, share) for share in islice(work, 2 * jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                share, seen = future.result()
                points -= seen.seeds
                yield share, seen
                if points > 0:
                    running.add(pool.submit(crashed, next(work)))


def main(points: int = 10_000, jobs: int = 2, first: int = 0) -> bool:
    """Soak, and print it; tell whether all is well."""
    be_quiet()
    whole, began = Exploration(), perf_counter()
    for share, seen in soak(points, jobs, first):
        whole.merge(seen)
        for finding in seen.findings:
            crashes = [tuple(point) for point in finding.crashes]
            print(f"{share.name}, seed {share.seed}: {finding}\n  crashes={crashes}", flush=True)
    print(f"{whole.seeds:,} crash points in {perf_counter() - began:,.0f} s, {len(whole.findings)} found")
    print(f"runs ended {dict(whole.statuses)}; faults {dict(whole.fired)}")
    return not whole.findings


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
