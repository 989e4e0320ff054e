"""A pipeline is a file: every mistake in it is told at once with its line, and text is taken as it is written."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

import playbill
from playbill.model.as_written import warnings_of
from playbill.runtime.definitions.discovery import catalog_of
from tests.stories.support import finished, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
MISTAKES = """\
name: many
nmae: x
timeout: -3
imports: [no_such_steps]
nodes:
  - {id: a, type: triger, tiemout: 3}
  - id: b
    type: condition
    config: {condition: "input.x >"}
    next: [c, nobody]
  - {id: c, type: delay, config: {secs: 3}, next: d}
  - {id: d, type: python, config: {call: "no_such_module:f"}, next: {to: c, wehn: always}}
  - {id: e, type: agent, config: {agent_id: x, task: y}, retry: {max_attempts: 0}}
edges:
  - {from: a, to: b, condition: "outptu.x"}
inputs: {propertes: {}, properties: {a: {type: int}}}
outputs: {x: "inputs.nobody.x"}
breakers: {agent: {failure: 3}}
"""
TOLD = {
    2: "unknown field 'nmae', did you mean 'name'?",
    3: "timeout: input should be greater than 0, not -3",
    4: "module 'no_such_steps', named as a source of node types, cannot be imported",
    6: "node 'a' has invalid type 'triger', did you mean 'trigger'?",
    9: "node 'b': condition: expression 'input.x >'",
    10: "edge 'b->nobody' names unknown target 'nobody'",
    11: "node 'c': unknown field 'secs', did you mean 'seconds'?",
    12: "edge 'd->c': unknown field 'wehn', did you mean 'when'?",
    13: "node 'e': retry.max_attempts: input should be greater than or equal to 1, not 0",
    14: "cycle: c -> d -> c",
    15: "edge 'a->b': condition: expression 'outptu.x': unknown name 'outptu', did you mean 'output'?",
    16: "inputs.propertes is not a keyword of JSON Schema, and changes nothing: did you mean 'properties'?",
    17: "output 'x': inputs['nobody'] names no node of the pipeline",
    18: "breaker 'agent': unknown field 'failure', did you mean 'failures'?",
}


class Shop(pydantic.BaseModel):
    code: str
    kind: Literal["1.0", "true"] = "1.0"
    either: Annotated[str, pydantic.Field(min_length=1)] | dict[str, str] = "x"
    tags: list[str] = []
    count: int = 0
    rest: dict[str, Any] = {}


@playbill.node_type("shop", config=Shop)
async def shop(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return dict(context.config.model_dump())


def written(folder: Path, text: str, name: str = "p.yaml") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return file


def test_all_mistakes_of_a_file_are_told_in_one_go_with_their_lines(tmp_path: Path) -> None:
    file = written(tmp_path, MISTAKES)
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.load(file)
    problems = raised.value.problems
    for line, said in TOLD.items():
        assert [each for each in problems if each.line == line and said in each.message], (line, said)
    assert all(each.line and each.column and str(each).startswith(f"{file}:{each.line}:") for each in problems)
    assert playbill.validate_pipeline_dag(file) == [str(each) for each in problems]


def test_json_has_lines_too(tmp_path: Path) -> None:
    text = (
        '{\n "nodes": [\n  {"id": "a", "type": "triger"},\n  {"id": "b", "type": "delay", "secs": 1}\n ],\n "x": 1\n}'
    )
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.load(written(tmp_path, text, "p.json"))
    assert [(each.line, each.column) for each in raised.value.problems] == [(3, 23), (4, 3), (4, 32), (6, 2)]


def test_what_follows_from_a_mistake_is_not_told(tmp_path: Path) -> None:
    text = """\
    nodes:
      - {idd: a, type: trigger, next: b}
      - {id: b, type: say, config: 3}
      - {id: c, typ: say, next: b}
    edges: [{from: a, to: b}, {fro: a, to: c}]
    """
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.load(written(tmp_path, text))
    assert sorted((each.where, each.code) for each in raised.value.problems) == [
        ("edges[1].fro", "unknown-field"), ("edges[1].from", "missing-field"), ("nodes[0].id", "missing-field"),
        ("nodes[0].idd", "unknown-field"), ("nodes[1].config", "invalid-value"), ("nodes[2].typ", "unknown-field"),
        ("nodes[2].type", "missing-field"),
    ]  # fmt: skip


async def test_what_is_wrong_when_a_run_begins_has_its_line(manager: Manager, tmp_path: Path) -> None:
    file = written(
        tmp_path, "nodes:\n  - {id: a, type: nobody_knows}\n  - {id: b, type: python, config: {call: 'no:f'}}\n"
    )
    definition = playbill.load(file)
    with pytest.raises(playbill.DefinitionError) as raised:
        await manager.start_run(definition)
    assert [each.line for each in raised.value.problems] == [2, 3]


async def test_text_is_taken_as_it_is_written(tmp_path: Path) -> None:
    text = """\
    name: 2024
    version: 1.10
    tags: [010, yes, 22:30]
    nodes:
      - {id: 007, type: trigger, next: [1e3, {to: 1.0, condition: True}]}
      - id: 1e3
        type: shop
        config: {code: 1.10, kind: true, either: 0x1F, tags: [010, null, a], count: 010, rest: {a: 1.10}}
      - {id: 1.0, type: shop, config: {code: 2024-02-30, kind: 1.0}}
    inputs: {properties: {code: {$ref: '#/$defs/code', default: 010}, n: {type: [string, null], enum: [1.10, null]}},
             $defs: {code: {type: string, title: 2024}}}
    """
    definition = playbill.load(written(tmp_path, text))
    assert (definition.name, definition.version, definition.tags) == ("2024", "1.10", ["010", "yes", "22:30"])
    assert [edge.id for edge in definition.edges] == ["007->1e3", "007->1.0"]
    async with playbill.PipelineRunManager(types=[shop]) as manager:
        run = await manager.start_run(definition, {"n": "1.10"}, run_id="r")
        assert await manager.start_run(definition, {"n": "1.10"}, run_id="r") is run
        result = await run.result()
    assert result.outputs["007"] == {"n": "1.10", "code": "010"}
    assert result.outputs["1e3"] == {
        "code": "1.10", "kind": "true", "either": "0x1F", "tags": ["010", "null", "a"], "count": 10,
        "rest": {"a": 1.1},
    }  # fmt: skip
    assert result.outputs["1.0"]["code"] == "2024-02-30"


def test_validate_warns_of_numbers_that_would_be_written_otherwise(tmp_path: Path) -> None:
    text = """\
    nodes:
      - {id: a, type: shop, config: {code: 1.10, count: 010, rest: {a: 1.10, b: [1.5, 010, "1.10"]}}}
      - {id: b, type: delay, config: {seconds: 1.50}}
    """
    definition = playbill.load(written(tmp_path, text))
    warned = warnings_of(definition, catalog_of([shop]))
    assert [(each.line, each.column, each.where, each.message.split(":")[2].strip()) for each in warned] == [
        (2, 68, "nodes[0].config.rest.a", "1.10 is read as the number 1.1"),
        (2, 83, "nodes[0].config.rest.b[1]", "010 is read as the number 10"),
    ]


async def test_a_mapping_a_path_and_a_text_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "nodes: [{id: a, type: trigger}]"
    file = written(tmp_path, text)
    mapping = {"nodes": [{"id": "a", "type": "trigger"}]}
    sources: list[Any] = [file, str(file), "p.yaml", text, f"{text}\n", json.dumps(mapping), mapping]
    loaded = [playbill.load(source) for source in sources]
    assert loaded == [loaded[0]] * len(sources)
    assert playbill.load(loaded[0]) is loaded[0]
    assert [playbill.validate_pipeline_dag(source) for source in sources] == [[]] * len(sources)
    (tmp_path / "a: b").write_text(text, encoding="utf-8")
    assert playbill.load("a: b") == loaded[0]
    with pytest.raises(playbill.DefinitionError, match=r"<text>:2:3: unknown field 'x'"):
        playbill.load("nodes: []\n\n".replace("\n\n", "\n") + "? x\n: 1\n")
    with pytest.raises(
        playbill.DefinitionError, match="a definition is a mapping, a file's path or a text, not list"
    ):
        playbill.load([mapping])  # type: ignore[arg-type]


STEPS = """
import playbill
import {helper}

@playbill.node_type("beside")
async def beside(node, inputs, context):
    return {{"says": "{says}", "number": {helper}.NUMBER}}
"""


@pytest.mark.real("python nodes are stood in for")
async def test_imports_are_found_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "imports: [beside_steps]\nnodes: [{id: a, type: beside}, {id: b, type: python, config: {call: 'calls_x:f'}}]"
    )
    for folder in (tmp_path / "x", tmp_path / "y"):
        folder.mkdir()
    files = [written(tmp_path / says, text) for says in ("x", "y")]
    for file in files:
        written(file.parent, STEPS.format(helper="numbers_beside", says=file.parent.name), "beside_steps.py")
        written(file.parent, "NUMBER = 7", "numbers_beside.py")
        written(file.parent, "def f(): return {'called': True}", "calls_x.py")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        async with playbill.PipelineRunManager() as manager:
            result = await finished(manager, playbill.load(files[0]))
        assert statuses(result) == {"a": "completed", "b": "completed"}
        assert result.outputs == {"a": {"says": "x", "number": 7}, "b": {"called": True}}
    with pytest.raises(
        playbill.DefinitionError, match=r"'beside_steps' is known from .* already, and another one is"
    ):
        async with playbill.PipelineRunManager() as manager:
            await manager.start_run(playbill.load(files[1]))


@pytest.mark.parametrize(
    ("module", "said", "line"),
    [
        ("x = 1\nraise RuntimeError('boom')\n", "RuntimeError: boom", 2),
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero", 2),
        ("\n\nx = = 1\n", "SyntaxError: invalid syntax", 3),
        ("import no_such_library\n", "No module named 'no_such_library'", 1),
        ("raise SystemExit(3)\n", "SystemExit: 3", 1),
    ],
)
async def test_a_module_that_cannot_be_imported_is_named_with_its_own_error(
    manager: Manager, tmp_path: Path, module: str, said: str, line: int
) -> None:
    steps = written(tmp_path, module, "broken_steps.py")
    definition = playbill.load(written(tmp_path, "nodes: [{id: a, type: trigger}]\nimports:\n  - broken_steps\n"))
    with pytest.raises(playbill.DefinitionError) as raised:
        await manager.start_run(definition)
    [problem] = raised.value.problems
    assert problem.line == 3
    assert problem.message.endswith(f"cannot be imported: {said} ({steps}, line {line})")


async def test_a_stored_definition_runs_and_comes_back(manager: Manager) -> None:
    stored: dict[str, Any] = {
        "nodes": [
            {"id": "a", "type": "trigger", "position": {"x": 1, "y": 2.5}, "ui": {"color": "red"}},
            {"id": "b", "type": "say", "position": {"x": 0, "y": 0}},
        ],
        "edges": [
            {"id": "e", "from_node": "a", "to_node": "b"},
            {"id": "e", "from": "a", "to": "b", "when": "always", "ui": {"type": "smooth"}},
        ],
        "ui": {"viewport": {"zoom": 1}},
    }
    definition = playbill.load(stored)
    for again in (
        playbill.load(definition.model_dump()),
        playbill.load(definition.model_dump(by_alias=True, mode="json")),
        playbill.load(definition.model_dump_json()),
        playbill.PipelineDefinition.model_validate_json(definition.model_dump_json()),
    ):
        assert again == definition
    dumped = json.loads(definition.model_dump_json(by_alias=True, exclude_defaults=True))
    assert dumped["nodes"][0]["position"] == {"x": 1, "y": 2.5}
    assert dumped["nodes"][0]["ui"] == {"color": "red"}
    assert [(edge["id"], edge.get("ui")) for edge in dumped["edges"]] == [("e", None), ("e", {"type": "smooth"})]
    assert statuses(await finished(manager, definition)) == {"a": "completed", "b": "completed"}


def test_an_edge_has_an_id_by_default() -> None:
    assert playbill.PipelineEdge(from_node="a", to_node="b").id == "a->b"
    edges = playbill.load({"nodes": [{"id": "a", "type": "trigger", "next": ["b", {"to": "b", "id": "x"}]}]}).edges
    assert [edge.id for edge in edges] == ["a->b", "x"]


def test_model_validate_raises_our_error() -> None:
    said = "node 'a': unknown field 'tpye', did you mean 'type'"
    with pytest.raises(playbill.DefinitionError, match=said):
        playbill.PipelineDefinition.model_validate({"nodes": [{"id": "a", "tpye": "t"}]})
    with pytest.raises(playbill.DefinitionError, match=said):
        playbill.PipelineDefinition.model_validate_json('{"nodes": [{"id": "a", "tpye": "t"}]}')
    with pytest.raises(playbill.DefinitionError, match="unknown field 'tpye', did you mean 'type'"):
        playbill.PipelineNode.model_validate({"id": "a", "tpye": "t"})
    with pytest.raises(playbill.DefinitionError, match="invalid JSON"):
        playbill.PipelineDefinition.model_validate_json("{")
    with pytest.raises(playbill.DefinitionError, match="input should be"):
        playbill.PipelineDefinition.model_validate([])


SCRIPT = """\
import playbill
print("executed as", __name__)
@playbill.node_type("buy")
async def buy(node, inputs, context):
    return {"bought": 1}
def count():
    return 3
if __name__ == "__main__":
    print(playbill.run("p.yaml").outputs)
"""


@pytest.mark.real("a program")
@pytest.mark.parametrize("started", [["shop.py"], ["-m", "shop"]])
def test_a_script_whose_own_name_is_imported_is_not_executed_twice(
    tmp_path: Path, started: list[str], anyio_backend: Any
) -> None:
    written(tmp_path, SCRIPT, "shop.py")
    text = "imports: [shop]\nnodes: [{id: a, type: buy}, {id: b, type: python, config: {call: 'shop:count'}}]"
    written(tmp_path, text, "p.yaml")
    done = subprocess.run([sys.executable, *started], cwd=tmp_path, capture_output=True, text=True)
    outputs = "{'a': {'bought': 1}, 'b': {'result': 3}}"
    assert (done.stdout, done.stderr) == (f"executed as __main__\n{outputs}\n", "")


@pytest.mark.parametrize("edges", ["5", "true", "1.5", "{}", "x"])
def test_edges_that_are_none_are_told_beside_those_of_next(tmp_path: Path, edges: str) -> None:
    nodes = "[{id: a, type: trigger, next: {to: b, wen: failure}}, {id: b, type: parallel}]"
    text = f"edges: {edges}\nnodes: {nodes}\n"
    with pytest.raises(playbill.DefinitionError) as raised:
        playbill.load(written(tmp_path, text))
    assert "edges: input should be a valid list" in str(raised.value)
