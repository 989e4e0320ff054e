"""Routing, skips and outputs equal a plain recursive evaluator on generated pipelines."""

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition
from playbill.model.facts import Failure, Inputs
from playbill.model.validation import get_execution_order
from tests.model.machines.pipelines import definitions
from tests.model.machines.recorder import FATAL
from tests.model.machines.world import World

FAILED = {"error": {"type": FATAL.type, "message": FATAL.message, "retryable": False}}


def evaluate(  # noqa: C901 (all rules in one place, as one would say them)
    definition: PipelineDefinition, failing: set[str], trigger: dict[str, Any]
) -> dict[str, tuple[str, Any]]:
    """Return (status, output) of each node that is reached, by the rules as one would say them."""
    nodes = {node.id: node for node in definition.nodes}
    order = get_execution_order(definition)

    def live(edge: Any) -> bool:
        status, output, _ = end_of(edge.from_node)
        source = nodes[edge.from_node]
        fine = status == "completed" or (
            status == "failed" and source.on_error == "continue" and edge.when == "success"
        )
        if status == "skipped" or edge.when == ("failure" if fine else "success"):
            return False
        if source.type == "condition" and status == "completed" and edge.condition in (None, "true", "false"):
            wanted = edge.condition != "false"
            return output["result"] is wanted or (edge.condition is None and edge.when == "always")
        return edge.condition != "output.size() > 0" or len(FAILED if output is None else output) > 0

    @cache
    def end_of(node_id: str) -> tuple[str, Any, Any]:
        """Return status, output, and what its live edges carry."""
        node = nodes[node_id]
        incoming = [edge for edge in definition.edges if edge.to_node == node_id]
        alive = [edge for edge in incoming if live(edge)]
        if incoming and not alive:
            return "skipped", None, None
        inputs = {key: value for edge in alive for key, value in end_of(edge.from_node)[2].items()}
        if node.type == "trigger":
            return "completed", trigger, {node_id: trigger}
        if node.type in {"parallel", "delay"}:
            return "completed", inputs, inputs
        if node.type == "condition":
            merged: dict[str, Any] = {}
            for source in sorted(inputs, key=order.index):
                merged |= {} if nodes[source].type == "condition" else inputs[source]
            result = node.config["condition"] == "true" or (
                node.config["condition"] == "input.flag" and bool(merged.get("flag"))
            )
            return "completed", {"result": result}, {**inputs, node_id: {"result": result}}
        if node_id in failing:
            return "failed", None, {node_id: FAILED}
        output = {"flag": node_id > "n3", "from": sorted(inputs)}
        return "completed", output, {node_id: output}

    return {node.id: end_of(node.id)[:2] for node in definition.nodes}


@pytest.mark.no_cover
@settings(max_examples=400)
@given(definitions(rules_only=True), st.sets(st.sampled_from([f"n{i}" for i in range(8)])), st.integers(0, 2**32))
def test_a_run_does_what_the_plain_rules_say(definition: PipelineDefinition, failing: set[str], seed: int) -> None:
    trigger = {"flag": True}

    def doing(node: str, attempt: int, inputs: Inputs) -> dict[str, Any] | Failure:
        return FATAL if node in failing else {"flag": node > "n3", "from": sorted(inputs)}

    result = World(definition, doing, random.Random(seed), trigger=trigger, hasty=False, by_call=seed % 2 == 0).run()
    ends = {node: (str(end.status), end.output) for node, end in result.node_results.items()}
    assert ends == evaluate(definition, failing, trigger)
