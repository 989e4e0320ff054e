"""Hypothesis strategies: small pipelines of every kind of node and edge, and what their handlers do."""

from typing import Any

from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition, definition_from


@st.composite
def definitions(draw: st.DrawFn, *, rules_only: bool = False) -> PipelineDefinition:
    """Draw a DAG of up to eight nodes; `rules_only` leaves out what depends on the order of events."""
    count = draw(st.integers(1, 8))
    nodes = [draw(_nodes(index, rules_only=rules_only)) for index in range(count)]
    edges = [
        edge
        for target in range(1, count)
        if nodes[target]["type"] != "trigger"
        for source in draw(st.sets(st.integers(0, target - 1), max_size=3))
        for edge in [draw(_edges(nodes[source], nodes[target]))]
    ]
    settings: dict[str, Any] = {"on_failure": "finish"}
    if not rules_only:
        settings = {
            "on_failure": draw(st.sampled_from(["stop", "finish"])),
            "timeout": draw(st.sampled_from([20.0, 3600.0])),
            "max_concurrency": draw(st.sampled_from([None, 1, 2])),
        }
    return definition_from({"nodes": nodes, "edges": edges, **settings})


@st.composite
def _nodes(draw: st.DrawFn, index: int, *, rules_only: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(["agent"] * 4 + ["trigger", "parallel", "condition", "delay"]))
    configs: dict[str, Any] = {
        "agent": {"agent_id": "a", "task": "t"},
        "condition": {"condition": draw(st.sampled_from(["true", "false", "input.flag"]))},
        "delay": {"seconds": 2.0},
    }
    node: dict[str, Any] = {"id": f"n{index}", "type": kind, "config": configs.get(kind, {})}
    if kind == "agent":
        node["on_error"] = draw(st.sampled_from(["fail", "continue"]))
        node["retry"] = {"max_attempts": draw(st.integers(1, 2)), "base": 1.0}
        if rules_only:
            node["on_open"] = "wait"
        else:
            node["on_open"] = draw(st.sampled_from(["fail", "wait"]))
            node["on_crash"] = draw(st.sampled_from(["retry", "fail"]))
            node["timeout"] = draw(st.sampled_from([None, 3.0]))
            node["total_timeout"] = draw(st.sampled_from([None, 9.0]))
    if not rules_only:
        node["join"] = draw(st.sampled_from(["all", "all", "any"]))
    return node


@st.composite
def _edges(draw: st.DrawFn, source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    conditions = [None, None, "true", "output.size() > 0"]
    if source["type"] == "condition":
        conditions = [None, "true", "false"]
    return {
        "from": source["id"],
        "to": target["id"],
        "condition": draw(st.sampled_from(conditions)),
        "when": draw(st.sampled_from(["success", "success", "failure", "always"])),
    }
