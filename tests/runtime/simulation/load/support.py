"""Pipelines and plans that the tests of loads share."""

from typing import Any

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.runtime.simulation.load.plan import LoadPlan, load_plan

STATION: dict[str, Any] = {"id": "work", "type": "command", "config": {"argv": ["true"]}, "breaker": "desk"}


def station(**policy: Any) -> PipelineDefinition:
    """One node behind one breaker: the queue of the textbooks."""
    return definition_from({"name": "station", "nodes": [STATION], "breakers": {"desk": policy}, "timeout": 1e6})


def chain(length: int, **more: Any) -> PipelineDefinition:
    nodes = [{"id": f"n{i}", "type": "command", "config": {"argv": ["true"]}} for i in range(length)]
    edges = [{"from": f"n{i}", "to": f"n{i + 1}"} for i in range(length - 1)]
    return definition_from({"name": "chain", "nodes": nodes, "edges": edges, **more})


def taking(duration: Any, **more: Any) -> dict[str, Any]:
    return {"default": {"duration": duration, **more}}


def plan(**fields: Any) -> LoadPlan:
    return load_plan({"span": 100, "arrivals": {"constant": {"every": 1}}, "behaviours": taking(0.5), **fields})
