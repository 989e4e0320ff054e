"""Every kind of wrong input gets a clear error: which thing, which value, which rule.

What stands elsewhere: unparsable YAML and JSON, sizes, aliases and encodings in tests/model/test_loading.py;
expressions in tests/model/test_expressions.py; numbers in tests/model/test_policies.py and test_definition.py;
outputs in tests/model/test_jsonable.py.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"nodes": []}, "a pipeline needs at least one node"),
        (
            {"nodes": [node("a", after="b"), node("b", after="c"), node("c", after="a")]},
            "cycle: a -> b -> c -> a; a pipeline has none: remove one of these edges",
        ),
        ({"nodes": [node("a", "triger")]}, "node 'a' has invalid type 'triger', did you mean 'trigger'?"),
        ({"nodes": [node("a", after="bb"), node("b")]}, "edge 'a->bb' names unknown target 'bb'"),
        ({"nodes": [node("a"), node("a")]}, "duplicate node id 'a': nodes[0] has it already"),
        (
            {"nodes": [{"id": "a", "type": "say", "joins": "any"}]},
            "node 'a': unknown field 'joins', did you mean 'join'?",
        ),
        ({"nodes": [{"id": "a"}]}, "node 'a': field 'type' is missing"),
        ({"nodes": [node("a", "agent", task="t")]}, "node 'a': field 'agent_id' is missing"),
        ({"nodes": [node("a", "agent", agent_id="t")]}, "node 'a': field 'task' is missing"),
        ({"nodes": [node("a", "condition")]}, "node 'a': field 'condition' is missing"),
        (
            {"nodes": [node("a", "action", action="call_apy")]},
            "node 'a': unknown action 'call_apy', did you mean 'call_api'?",
        ),
        ({"nodes": [node("a", "condition", condition="input.x >")]}, "mismatched input '<EOF>' at column 10"),
        ({"nodes": [node("a", "condition", condition="imput.x > 1")]}, "unknown name 'imput', did you mean 'input'?"),
        (
            {"nodes": [node("a", "delay", seconds=-1)]},
            "node 'a': seconds: input should be greater than or equal to 0, not -1",
        ),
        ({"nodes": [node("a", timeout=float("nan"))]}, "timeout"),
        (
            {"nodes": [node("a", "delay", seconds=1e12)]},
            "node 'a': seconds: input should be less than or equal to 1000000000",
        ),
        ({"nodes": [node("a", "delay", seconds=10**400)]}, "seconds: input should be a valid number"),
        ({"nodes": [node("a", retry={"base": 1e300})]}, "base: input should be less than or equal to 1000000000"),
        ({"nodes": [node("a", grace=1e300)]}, "grace: input should be less than or equal to 1000000000"),
        (
            {"nodes": [node("a", "delay", seconds=1, on_crash="fail")]},
            "on_crash 'fail' is not for 'delay': playbill does its work itself, without a handler; leave it out",
        ),
        ({"nodes": [node("a", x="${inputs.b.y}")]}, "'b'"),
        (
            {"nodes": [node("a", limits={"cpu_seconds": 1.0})]},
            "node 'a': limits are kept by a process of its own: set isolation: process, or leave them out",
        ),
        (
            {"nodes": [node("a", isolation="process", limits={})]},
            "names no limit: set one of cpu_seconds, memory_bytes",
        ),
        ({"nodes": [node("a", isolation="process", limits={"cpu": 1})]}, "unknown field 'cpu'"),
        (
            {"nodes": [node("a", "agent", agent_id="x", task="t", isolation="process")]},
            "isolation 'process' is not for 'agent': agents are objects of this process; leave it out",
        ),
        (
            {"nodes": [node("a", "action", action="execute_pipeline", pipeline="other")]},
            "action 'execute_pipeline' is not supported yet",
        ),
        ({"nodes": [node("a", "python", call="no_such_module:f")]}, "no_such_module"),
        ({"nodes": [node("a")], "imports": ["no_such_module"]}, "module 'no_such_module'"),
    ],
)
async def test_a_wrong_definition_is_refused_before_the_run(
    manager: Manager, definition: dict[str, Any], said: str
) -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        await manager.start_run(definition)
    assert said.lower() in str(raised.value).lower()
    assert manager.active_runs == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"x", "its output is bytes, which JSON cannot say: decode it, or give its base64 text"),
        ([object()], "its output[0] is object, which JSON cannot say"),
        ({"a": {1, None}}, "its output.a is a set of what cannot be sorted: give a list"),
        ({"a": float("inf")}, "its output.a is inf, which JSON cannot say"),
        ({"a": "x" * 2**20}, "its output is 1,048,585 bytes as JSON, over the limit of 1,048,576"),
    ],
)
async def test_a_wrong_output_fails_its_node(output: object, said: str) -> None:
    @playbill.node_type("gives")
    async def gives(node: Any, inputs: Any, context: Any) -> Any:
        return output

    async with playbill.PipelineRunManager(types=[gives]) as manager:
        result = await finished(manager, pipeline(node("a", "gives")))
    assert result.error is not None
    assert result.error.type == "NodeConfigError"
    assert result.error.message.startswith("node 'a' (type 'gives'): ")
    assert said in result.error.message


def test_a_handler_with_a_wrong_signature_is_refused_where_it_is_defined() -> None:
    with pytest.raises(
        playbill.DefinitionError, match=r"takes \(x: object\) -> None, but is called with \(node, inputs, context\)"
    ):

        @playbill.node_type("odd")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
        async def odd(x: object) -> None: ...


def test_two_types_of_one_name_are_refused_with_both_places() -> None:
    @playbill.node_type("twin")
    async def first(node: Any, inputs: Any, context: Any) -> None: ...

    @playbill.node_type("twin")
    async def second(node: Any, inputs: Any, context: Any) -> None: ...

    with pytest.raises(playbill.DefinitionError, match=r"'twin' is defined twice, in .*first and .*second"):
        playbill.PipelineRunManager(types=[first, second])


def test_what_is_no_type_is_refused() -> None:
    with pytest.raises(
        playbill.DefinitionError, match="neither a module nor a function marked with node_type or action"
    ):
        playbill.PipelineRunManager(types=[print])


async def test_two_breaker_policies_for_one_key_are_refused_naming_both(manager: Manager) -> None:
    one = pipeline(node("a", breaker="shop"), breakers={"shop": {"failures": 1}}, name="one")
    two = pipeline(node("a", breaker="shop"), breakers={"shop": {"failures": 2}}, name="two")
    await finished(manager, one)
    with pytest.raises(
        playbill.DefinitionError, match=r"'shop' has two policies .* by pipeline 'one' and .* pipeline 'two'"
    ):
        await manager.start_run(two)


async def test_the_managers_policy_wins(manager: Manager) -> None:
    policies = {"shop": playbill.BreakerPolicy(failures=9)}
    async with playbill.PipelineRunManager(types=[], breakers=policies) as strict:
        for failures in (1, 2):
            definition = pipeline(
                node("a", "trigger"),
                node("b", "agent", agent_id="x", task="t", breaker="shop"),
                breakers={"shop": {"failures": failures}},
            )
            await finished(strict, definition)


async def test_a_run_id_with_another_definition_or_other_data_is_refused(manager: Manager) -> None:
    definition = pipeline(node("a"))
    run = await manager.start_run(definition, {"n": 1}, run_id="r")
    assert await manager.start_run(definition.model_copy(), {"n": 1}, run_id="r") is run
    with pytest.raises(playbill.DefinitionError, match="run_id 'r' is taken by a run with another trigger data"):
        await manager.start_run(definition, {"n": 2}, run_id="r")
    with pytest.raises(playbill.DefinitionError, match="another definition and other trigger data"):
        await manager.start_run(pipeline(node("b")), {}, run_id="r")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e300, 10**400, "5", True])
async def test_a_wrong_run_timeout_is_refused(manager: Manager, seconds: float) -> None:
    with pytest.raises(playbill.DefinitionError, match="timeout_seconds is over 0 and finite, not"):
        await manager.start_run(pipeline(node("a")), timeout_seconds=seconds)


async def test_a_chain_of_ten_thousand_nodes_runs(manager: Manager) -> None:
    nodes = [node(f"n{i}", "parallel", f"n{i + 1}" if i < 9_999 else "") for i in range(10_000)]
    assert (await finished(manager, pipeline(*nodes))).status is playbill.RunStatus.COMPLETED


@pytest.mark.real("it is about size; ten thousand nodes are simulated")
@pytest.mark.parametrize("many", [25_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_tens_of_thousands_of_nodes_run_beside_each_other(manager: Manager, many: int) -> None:
    leaves = [playbill.PipelineNode(id=f"n{i}", type="say") for i in range(many)]
    edges = [playbill.PipelineEdge(from_node="start", to_node=leaf.id) for leaf in leaves]
    start = playbill.PipelineNode(id="start", type="trigger")
    result = await finished(manager, playbill.PipelineDefinition(nodes=[start, *leaves], edges=edges))
    assert set(statuses(result).values()) == {"completed"}
    assert len(result.node_results) == many + 1


@pytest.mark.parametrize(
    "program",
    [
        "trio.run(lambda: playbill.PipelineRunManager().start_run({'nodes': [{'id': 'a', 'type': 'trigger'}]}))",
        "trio.run(playbill.PipelineRunManager().__aenter__)",
    ],
)
def test_trio_is_refused_with_the_way_out(program: str) -> None:
    command = [sys.executable, "-c", f"import trio, playbill\n{program}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert ran.returncode == 1
    assert "playbill runs on asyncio, and no asyncio loop runs here" in ran.stderr


async def test_playbill_run_inside_a_loop_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="an event loop runs here already: `await` a PipelineRunManager's run"):
        playbill.run({"nodes": [{"id": "a", "type": "trigger"}]})


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(playbill.DefinitionError, match=r"no\.yaml: cannot be read: No such file"):
        playbill.load(tmp_path / "no.yaml")
    with pytest.raises(playbill.DefinitionError, match="cannot be read: Is a directory"):
        playbill.load(tmp_path)


async def test_an_expression_that_might_block_the_loop_fails_its_run_in_numbers(manager: Manager) -> None:
    """CEL holds the loop until it is done: seconds for this one, and nobody could cancel anything meanwhile."""
    definition = pipeline(
        node("a", "trigger", after="b"),
        node("b", "condition", condition="trigger.l.all(x, trigger.l.exists(y, y == x))"),
    )
    result = await finished(manager, definition, l=list(range(3000)))
    assert statuses(result) == {"a": "completed", "b": "failed"}
    assert "its macros might visit 9,000,000 items, over 100,000" in str(result.error)
    assert "CEL cannot be interrupted: reduce it in a python node before" in str(result.error)


@pytest.mark.parametrize(
    ("inputs", "data", "said"),
    [
        ({"$ref": "http://127.0.0.1:9/schema"}, {}, "refers to an unknown schema, and none is fetched"),
        ({"$ref": "#"}, {}, "inputs refers to itself for the same value"),
        ({"type": "str"}, {}, "inputs.type is not a JSON Schema: 'str' is not valid"),
        ({"properties": {"a": {"pattern": "("}}}, {}, "'(' is not a 'regex'"),
        ({"properties": {"a": {"type": "number", "default": "x"}}}, {}, "a default must satisfy its own schema"),
        ({"properties": {"a": {"default": float("nan")}}}, {}, "inputs.properties.a.default is nan"),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 40 + "b"}, "does not match '^(a+)+$'"),
        ({"properties": {"a": {"multipleOf": 10**400}}}, {"a": 5}, "trigger_data.a: 5 is not a multiple of"),
        (None, [], "trigger_data is a mapping of names to values, not list: []"),
        (None, 0, "trigger_data is a mapping of names to values, not int: 0"),
    ],
)
async def test_inputs_that_cannot_be_checked_are_refused_before_the_run(
    manager: Manager, inputs: dict[str, Any] | None, data: Any, said: str
) -> None:
    with pytest.raises(playbill.DefinitionError) as raised:
        await manager.start_run(pipeline(node("a", "trigger"), inputs=inputs), data)
    assert said in str(raised.value)
    assert manager.active_runs == []
