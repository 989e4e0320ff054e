"""What is soaked: the example pipelines and two more, under every fault there is; late mail; and drawn pipelines."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import playbill
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.study import Study
from tests.soak.drawn import DRAWN, drawn
from tests.soak.handlers import HANDLERS
from tests.soak.late import LATE

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
FORCED: Final = {
    "faults": [
        {"fault": "breaker", "breaker": "soaks", "at": 1.0, "seconds": 5.0, "probability": 0.3},
        {"fault": "breaker", "breaker": "soaks", "at": 9.0, "state": "disabled", "seconds": 4.0, "probability": 0.3},
        {"fault": "breaker", "breaker": "soaks", "at": 5.0, "state": "metrics_only", "probability": 0.3},
        {"fault": "raise", "type": "soaks", "probability": 0.1},
    ]
}

COROUTINES: Final[dict[str, Any]] = {
    "name": "coroutines",
    "timeout": 40,
    "max_concurrency": 2,
    "breakers": {
        "soaks": {
            "failures": 2,
            "open_seconds": 4,
            "half_open_permits": 2,
            "half_open_max_wait_seconds": 3,
            "rate": 3.0,
        }
    },
    "nodes": [
        {"id": "start", "type": "trigger", "next": ["a", "b", "c"]},
        {"id": "a", "type": "soaks", "on_open": "wait", "next": ["d"], "timeout": 4, "total_timeout": 20},
        {"id": "b", "type": "soaks", "on_crash": "fail", "next": ["d", {"to": "e", "when": "always"}]},
        {"id": "c", "type": "stubborn_soak", "grace": 0.5, "timeout": 10, "next": ["e"]},
        {"id": "d", "type": "soaks", "join": "any", "on_error": "continue", "idle_timeout": 3, "next": ["f"]},
        {"id": "e", "type": "parallel", "next": ["f"]},
        {"id": "f", "type": "soaks", "config": {"seconds": 0.5}},
    ],
}
WIDE: Final[dict[str, Any]] = {
    "name": "wide",
    "timeout": 300,
    "on_failure": "finish",
    "breakers": {"soaks": {"window_calls": 6, "failure_rate": 0.5, "minimum_calls": 4, "max_concurrent": 3}},
    "nodes": [
        {"id": "start", "type": "parallel", "next": [f"w{i}" for i in range(8)]},
        *({"id": f"w{i}", "type": "soaks", "on_open": "wait", "next": ["end"]} for i in range(8)),
        {"id": "end", "type": "soaks", "join": "any"},
    ],
}


def example(name: str, plan: str, data: dict[str, Any], policy: str = "random") -> Study:
    """One of the example pipelines, with its behaviours and every fault."""
    definition = open_definition(EXAMPLES / name, None)
    return Study(definition, data, plan_of(["all", str(EXAMPLES / plan)]), policy)


def own(definition: dict[str, Any], policy: str = "random") -> Study:
    """A pipeline of coroutines, with every fault and breakers forced."""
    faults = plan_of(["all", fault_plan(FORCED)])
    options: SimulatedOptions = {"types": HANDLERS}
    return Study(playbill.PipelineDefinition.model_validate(definition), {}, faults, policy, options=options)


def study(name: str) -> Study:
    """Return one of STUDIES."""
    return STUDIES[name]()


PLANNED: Final[dict[str, Callable[[], Study]]] = {
    "report": lambda: example("01_repository_report/pipeline.yaml", "01_repository_report/sim.yaml", {}),
    "order": lambda: example("pipelines/order.yaml", "pipelines/order.sim.yaml", {"amount": 12}),
    "order-large": lambda: example("pipelines/order.yaml", "pipelines/order.sim.yaml", {"amount": 5000}, "pct:3"),
    "nightly": lambda: example("pipelines/nightly.yaml", "pipelines/nightly.sim.yaml", {}),
    "coroutines": lambda: own(COROUTINES),
    "coroutines-pct": lambda: own(COROUTINES, "pct:3"),
    "wide": lambda: own(WIDE),
}
STUDIES: Final = PLANNED | LATE | {f"drawn-{number:02}": partial(drawn, number) for number in range(DRAWN)}
