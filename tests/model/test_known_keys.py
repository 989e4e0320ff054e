"""What nobody gives is refused before the run, and nothing else."""

from typing import Any

import pytest

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.validation import validate

FETCH = {"id": "fetch", "type": "action", "config": {"action": "call_api", "url": "http://a/"}}
RUN = {"id": "fetch", "type": "command", "config": {"argv": ["true"]}}
CALL = {"id": "fetch", "type": "python", "config": {"call": "a:b"}}
ASK = {"id": "fetch", "type": "agent", "config": {"agent_id": "a", "task": "t"}}
CLOSED = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}


def told(*nodes: dict[str, Any], **more: Any) -> list[str]:
    definition = PipelineDefinition.model_validate({"nodes": nodes, **more})
    return [problem.message for problem in validate(definition)]


def reads(expression: str, before: dict[str, Any] = RUN, **edge: Any) -> list[str]:
    """Tell what is wrong with a node that reads something from the one before it."""
    after = {"id": "use", "type": "python", "config": {"call": "a:b", "args": {"x": f"${{{expression}}}"}}}
    return told({**before, "next": [{"to": "use", **edge}]}, after)


@pytest.mark.parametrize(
    ("before", "expression", "wrong"),
    [
        (FETCH, "inputs.fetch.bodyy", "inputs.fetch.bodyy: node 'fetch' (call_api) gives no 'bodyy'"),
        (
            FETCH,
            "inputs['fetch']['tex'] + 'a'",
            "gives no 'tex', did you mean 'text'?; it gives: 'status', 'headers', 'json', 'text'",
        ),
        (RUN, "inputs.fetch.code", "node 'fetch' (command) gives no 'code'"),
        (RUN, "input.std_out", "'input' gives no 'std_out', did you mean 'stdout'?"),
        (RUN, "inputs.fetch.error.message", "gives no 'error'"),
        (RUN, "run.idd", "'run' gives no 'idd', did you mean 'id'?; it gives: 'id', 'pipeline', 'attempt'"),
        (RUN, "[1].map(i, inputs.fetch.nope)", "gives no 'nope'"),
        (
            {**RUN, "on_error": "continue"},
            "inputs.fetch.error.exitcode",
            "the error of node 'fetch' (command) gives no 'exitcode', did you mean 'exit_code'?; it gives: 'type',",
        ),
        (
            {**FETCH, "on_error": "continue"},
            "inputs.fetch.error.text",
            "the error of node 'fetch' (call_api) gives no 'text'",
        ),
    ],
)
def test_a_key_that_nobody_gives_is_refused(before: dict[str, Any], expression: str, wrong: str) -> None:
    found = reads(expression, before)
    assert len(found) == 1
    assert found[0].startswith("node 'use': ")
    assert wrong in found[0]


@pytest.mark.parametrize(
    ("before", "expression"),
    [
        (FETCH, "inputs.fetch.json.anything.at.all"),
        (FETCH, "input.text"),
        (RUN, "inputs.fetch"),
        (RUN, "inputs.fetch.truncated"),
        (RUN, "has(inputs.fetch.nope) ? inputs.fetch.nope.x : ''"),
        (RUN, "inputs.map(id, inputs[id].nope)"),
        (RUN, "[{'nope': 1}].map(input, input.nope)"),
        (RUN, "run.id"),
        (RUN, "trigger.anything"),
        (CALL, "input.anything"),
        ({"id": "fetch", "type": "trigger"}, "inputs.fetch.anything"),
        ({**RUN, "on_error": "continue"}, "inputs.fetch.error.message"),
        ({**RUN, "on_error": "continue"}, "inputs.fetch.error.exit_code"),
        ({**FETCH, "on_error": "continue"}, "inputs.fetch.error.json.anything.at.all"),
        (
            {"id": "fetch", "type": "python", "config": {"call": "a:b"}, "on_error": "continue"},
            "input.error.anything",
        ),
        ({**ASK, "on_error": "continue"}, "inputs.fetch.error.anything"),
        ({**RUN, "on_error": "continue"}, "has(inputs.fetch.error.nope) ? 1 : 2"),
    ],
)
def test_what_may_be_there_is_accepted(before: dict[str, Any], expression: str) -> None:
    assert reads(expression, before) == []


@pytest.mark.parametrize(
    ("when", "key", "fine"),
    [
        ("failure", "error", True), ("failure", "stdout", False), ("always", "error", True),
        ("always", "stdout", True), ("success", "error", False), ("success", "stdout", True),
    ],
)  # fmt: skip
def test_failure_edges_carry_an_error(when: str, key: str, fine: bool) -> None:
    after = {"id": "use", "type": "command", "config": {"argv": [f"${{inputs.fetch.{key}}}"]}}
    assert (told({**RUN, "next": [{"to": "use", "when": when}]}, after) == []) is fine


@pytest.mark.parametrize(
    ("condition", "edge", "fine"),
    [
        ("output.exit_code == 0", {}, True),
        ("output.exitcode == 0", {}, False),
        ("output.error.retryable", {"when": "failure"}, True),
        ("output.error.retryable", {}, False),
        ("output.error.exit_code == 2", {"when": "failure"}, True),
        ("output.error.exitcode == 2", {"when": "failure"}, False),
        ("output.exit_code == 0", {"when": "failure"}, False),
        ("input.nope", {}, False),
        ("input.stdout", {}, True),
        ("inputs.fetch.nope == 1", {}, False),
        ("trigger.nope == 1", {}, True),
        ("has(output.nope)", {}, True),
    ],
)
def test_the_condition_of_an_edge(condition: str, edge: dict[str, Any], fine: bool) -> None:
    after = {"id": "use", "type": "command", "config": {"argv": ["true"]}}
    assert (told({**RUN, "next": [{"to": "use", "condition": condition, **edge}]}, after) == []) is fine


@pytest.mark.parametrize(
    ("condition", "fine"),
    [
        ("input.nope", False),
        ("input.stdout", True),
        ("input.result", False),
        ("inputs.big.result", True),
        ("fetch", True),
    ],
)
def test_a_condition_node_that_would_be_false_for_a_key_that_nobody_gives(condition: str, fine: bool) -> None:
    found = told(
        {**RUN, "next": ["big", "ask"]},
        {"id": "big", "type": "condition", "config": {"condition": "true"}, "next": "wait"},
        {"id": "wait", "type": "delay", "config": {"seconds": 1}, "next": "ask"},
        {"id": "ask", "type": "condition", "config": {"condition": condition}},
    )
    assert (found == []) is fine


def test_one_unknown_source_makes_every_key_of_input_possible() -> None:
    free = {"id": "free", "type": "python", "config": {"call": "a:b"}, "next": "ask"}
    ask = {"id": "ask", "type": "condition", "config": {"condition": "input.nope"}}
    assert told({**RUN, "next": "ask"}, free, ask) == []


def test_a_closed_schema_says_what_the_run_is_started_with() -> None:
    nodes = (
        {"id": "start", "type": "trigger", "next": "use"},
        {"id": "use", "type": "command", "config": {"argv": ["${trigger.town}", "${inputs.start.city}"]}},
    )
    assert told(*nodes) == []
    assert told(*nodes, inputs={**CLOSED, "additionalProperties": True}) == []
    assert told(*nodes, inputs=CLOSED) == ["node 'use': trigger.town: 'trigger' gives no 'town'; it gives: 'city'"]


@pytest.mark.parametrize(
    ("output", "fine"),
    [
        ("inputs.fetch.stdout", True),
        ("inputs.fetch.stdot", False),
        ("has(inputs.fetch.x) ? inputs.fetch.x : 1", True),
    ],
)
def test_the_outputs_of_a_pipeline(output: str, fine: bool) -> None:
    assert (told(RUN, outputs={"o": output}) == []) is fine


def test_a_delays_template_is_looked_at_too() -> None:
    wait = {"id": "wait", "type": "delay", "config": {"seconds": "${inputs.fetch.secs}"}}
    assert "gives no 'secs'" in told({**RUN, "next": "wait"}, wait)[0]


def test_a_hyphen_is_named_where_it_is_a_nodes() -> None:
    after = {"id": "use", "type": "command", "config": {"argv": ["${inputs.get-1.stdout}"]}}
    assert "inputs['get-1']" in told({**RUN, "id": "get-1", "next": "use"}, after)[0]


def test_in_is_a_guard_as_has_is() -> None:
    text = "${'error' in inputs.c ? inputs.c.error.message : inputs.c.stdout}"
    nodes: Any = [
        {"id": "c", "type": "command", "config": {"argv": ["true"]}, "next": "d"},
        {"id": "d", "type": "command", "config": {"argv": ["echo", text]}},
    ]
    assert validate(definition_from({"nodes": nodes})) == []
    nodes[1]["config"]["argv"][1] = "${inputs.c.error.message}"
    assert [problem.code for problem in validate(definition_from({"nodes": nodes}))] == ["unknown-key"]


def test_an_edge_from_nowhere_is_told_and_nothing_else() -> None:
    nodes: Any = [
        {"id": "fetch", "type": "command", "config": {"argv": ["true"]}},
        {"id": "show", "type": "command", "config": {"argv": ["echo", "${inputs.fetc.stdout}"]}},
    ]
    written = {"nodes": nodes, "edges": [{"from": "fetc", "to": "show"}]}
    codes = [problem.code for problem in validate(definition_from(written))]
    assert "unknown-source" in codes
