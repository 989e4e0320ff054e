"""What the simulation's tests simulate: a small pipeline with everything in it, and faults for it."""

from typing import Any, Final

import playbill
from playbill.model.definition import definition_from
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.explore import Exploration, explore
from playbill.runtime.simulation.study import Study


@playbill.node_type("works")
async def works(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Take a second, and tell what came in."""
    await context.sleep(node.config.get("seconds", 1.0))
    return {"from": sorted(inputs), "attempt": context.attempt}


@playbill.node_type("waits")
async def waits(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Take long, and clean up for a while when it is stopped."""
    try:
        await context.sleep(node.config.get("seconds", 100.0))
    finally:
        await context.sleep(node.config.get("cleanup", 0.5))
    return {}


ALL: Final = [works, waits]
DIAMOND: Final[dict[str, Any]] = {
    "name": "diamond",
    "timeout": 60,
    "nodes": [
        {"id": "start", "type": "trigger", "next": ["left", "right"]},
        {"id": "left", "type": "works", "next": ["join"], "timeout": 5, "retry": {"base": 0.5}},
        {"id": "right", "type": "works", "next": ["pause"]},
        {"id": "pause", "type": "delay", "config": {"seconds": 2}, "next": ["join"]},
        {"id": "join", "type": "works", "config": {"seconds": 0.1}},
    ],
}
FAULTS: Final = fault_plan(
    {
        "faults": [
            {"fault": "raise", "probability": 0.2},
            {"fault": "hang", "probability": 0.05},
            {"fault": "ignore_cancel", "probability": 0.1},
            {"fault": "ignore_cancel", "probability": 0.05, "kill": True},
            {"fault": "late", "probability": 0.1, "seconds": 20.0},
            {"fault": "journal_slow", "probability": 0.2, "seconds": 0.5},
            {"fault": "journal_failing", "probability": 0.05, "seconds": 2.0},
            {"fault": "message_delay", "probability": 0.05, "seconds": 0.2},
            {"fault": "cancel", "probability": 0.3, "at": 1.5, "grace": 1.0},
            {"fault": "pause", "probability": 0.2, "at": 0.7, "seconds": 3.0},
        ],
        "buggify": 0.25,
    }
)


def study_of(definition: dict[str, Any], faults: FaultPlan | dict[str, Any] = FAULTS, **more: Any) -> Study:
    """A study of a definition with the types of these tests."""
    plan = faults if isinstance(faults, FaultPlan) else fault_plan(faults)
    given: SimulatedOptions = more.pop("options", {})
    options: SimulatedOptions = {"types": ALL, **given}
    return Study(definition_from(definition), faults=plan, options=options, **more)


def found(study: Study, seeds: int = 400) -> Exploration:
    """Explore until something is found."""
    study.check()
    return explore(study, seeds)


def invariant(study: Study, seeds: int = 400) -> str:
    """Return the invariant that the first finding breaks; empty: nothing was found."""
    findings = found(study, seeds).findings
    return findings[0].invariant if findings else ""
