"""What is given again is not compiled again: the object that it was, or a mapping that says the same."""

import array
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import playbill
from playbill.model.policies import StopPolicy
from playbill.runtime.definitions import compile_once, content
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.compiler import CompiledPipeline
from playbill.runtime.definitions.content import AT_ONCE, Key
from playbill.runtime.definitions.discovery import catalog_of


@playbill.node_type("kept")
async def kept(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {}


class Text(str):
    __slots__ = ()


def mapping(say: Any = 1, **more: Any) -> dict[str, Any]:
    return {"name": "m", "nodes": [{"id": "a", "type": "kept", "config": {"say": [say]}}], "edges": [], **more}


@pytest.fixture
def compiler() -> PipelineCompiler:
    return PipelineCompiler(catalog_of([kept]), StopPolicy())


def config_of(compiled: CompiledPipeline) -> Any:
    return compiled.plan.nodes["a"].node.config


def test_an_equal_mapping_is_known(compiler: PipelineCompiler) -> None:
    assert compiler.of(mapping()) is compiler.of(mapping())


def test_equal_texts_and_lists_are_known_whichever_objects_they_are(compiler: PipelineCompiler) -> None:
    text = sys.intern("a long text") + str(id(compiler))
    same = ["x"]
    one = compiler.of(mapping([same, same, text, text]))
    assert compiler.of(mapping([["x"], ["x"], text[:3] + text[3:], text])) is one


@pytest.mark.parametrize(
    "other", [1.0, True, "1", 2, None, [1], {"1": 1}, (1,), 10**30, -0.0, float("nan"), "\ud800", b"1", Text("1")]
)
def test_what_is_written_otherwise_is_another(compiler: PipelineCompiler, other: Any) -> None:
    known = compiler.of(mapping())
    for given in (mapping(other), mapping({other: 1} if isinstance(other, str) else [other])):
        found = compiler.of(given)
        assert found is not known
        assert repr(config_of(found)) == repr(given["nodes"][0]["config"])


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), ({"1": 1}, {1: 1}), ([1], (1,)), ("1", b"1")])
def test_what_equals_or_looks_the_same_is_not(compiler: PipelineCompiler, one: Any, other: Any) -> None:
    assert repr(config_of(compiler.of(mapping(one)))) != repr(config_of(compiler.of(mapping(other))))


def test_the_order_of_keys_counts(compiler: PipelineCompiler) -> None:
    one, other = ({"x": 1, "y": 2}, {"y": 2, "x": 1})
    assert [*config_of(compiler.of(mapping(one)))["say"][0]] == ["x", "y"]
    assert [*config_of(compiler.of(mapping(other)))["say"][0]] == ["y", "x"]


@pytest.mark.parametrize(
    "value",
    [
        *(b"1", bytearray(b"1"), memoryview(b"1"), array.array("b", [49]), np.array([49], dtype=np.int8)),
        *({1}, 1j, ..., Text("x"), MappingProxyType({}), np.float64(1.0), np.str_("1"), object(), StopPolicy()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_json_is_not_known_by_what_it_says(value: Any) -> None:
    for given in (mapping(value), mapping({"in": [value]})):
        key = Key.of(given)
        assert key is None or not key.is_plain


def test_bytes_are_not_taken_for_what_they_are_made_of(compiler: PipelineCompiler) -> None:
    for value in (b"1", bytearray(b"1"), b"1"):
        assert type(config_of(compiler.of(mapping(value)))["say"][0]) is type(value)


def test_nor_is_another_kind_of_mapping_or_one_too_deep() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    circle: list[Any] = []
    circle.append(circle)
    assert [Key.of(each) for each in (MappingProxyType(mapping()), mapping(deep), mapping(circle))] == [None] * 3
    key = Key.of(mapping())
    assert key is not None
    assert key.is_plain


def test_a_mapping_that_was_changed_is_another_and_changes_nothing(compiler: PipelineCompiler) -> None:
    given = mapping({"x": 1})
    first = compiler.of(given)
    given["nodes"][0]["config"]["say"][0]["x"] = 2
    assert config_of(compiler.of(given)) == {"say": [{"x": 2}]}
    assert config_of(compiler.of(mapping({"x": 1}))) == {"say": [{"x": 1}]}
    assert compiler.of(mapping({"x": 1})) is first


def test_the_last_used_mappings_are_kept(compiler: PipelineCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_once, "COMPILED_KEPT", 2)
    one, two = compiler.of(mapping("one")), compiler.of(mapping("two"))
    assert compiler.of(mapping("one")) is one
    compiler.of(mapping("three"))
    assert compiler.of(mapping("one")) is one
    assert compiler.of(mapping("two")) is not two


def test_what_has_problems_is_told_each_time(compiler: PipelineCompiler) -> None:
    for _ in range(2):
        with pytest.raises(playbill.DefinitionError, match="invalid type 'nowhere'"):
            compiler.of({"nodes": [{"id": "a", "type": "nowhere"}]})


def test_a_prepared_mapping_gives_a_definition_of_ones_own(compiler: PipelineCompiler) -> None:
    first = compiler.prepare(mapping())
    again = compiler.prepare(mapping())
    assert first is not again
    assert compiler.of(first) is compiler.of(again) is compiler.of(mapping())
    first.nodes[0].config["say"] = "otherwise"
    assert config_of(compiler.of(first)) == {"say": "otherwise"}
    assert config_of(compiler.of(mapping())) == config_of(compiler.of(again)) == {"say": [1]}
    assert compiler.prepare(first) is first


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "given_again.py"

    def write(n: int, text: str) -> None:
        path.write_text(text)
        os.utime(path, (n, n))
        importlib.reload(importlib.import_module("given_again"))

    yield write
    sys.modules.pop("given_again", None)


def test_a_python_node_whose_function_is_another_by_now_is_bound_anew(
    compiler: PipelineCompiler, module: Callable[[int, str], None]
) -> None:
    given = {"nodes": [{"id": "a", "type": "python", "config": {"call": "given_again:work"}}]}
    module(1, "def work(): return 1")
    first = compiler.of(given)
    assert compiler.of(deepcopy(given)) is first
    module(2, "async def work(): return 2")
    assert compiler.of(given).bindings.by_node["a"].on_loop
    assert not first.bindings.by_node["a"].on_loop
    module(3, "work = None")
    with pytest.raises(playbill.DefinitionError, match="name a function"):
        compiler.of(given)


def test_a_mapping_with_imports_is_compiled_each_time(
    compiler: PipelineCompiler, module: Callable[[int, str], None]
) -> None:
    given = {"nodes": [{"id": "a", "type": "given_again"}], "imports": ["given_again"]}
    for n in (1, 2):
        module(n, f"import playbill\n@playbill.node_type('given_again')\ndef f(a, b, c): return {n}\n")
        assert compiler.of(given).bindings.by_type["given_again"].handler(None, None, None) == n


def test_a_large_mapping_is_the_same_as_a_small_one(compiler: PipelineCompiler) -> None:
    large = {"nodes": [{"id": f"n{i}", "type": "kept"} for i in range(AT_ONCE + 1)]}
    assert len(compiler.of(large).plan.nodes) == AT_ONCE + 1
    assert compiler.of(deepcopy(large)) is compiler.of(large)


def test_a_huge_definition_says_what_it_said(compiler: PipelineCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SPARING", 0)
    nodes = [{"id": "a", "type": "kept"}, {"id": "b", "type": "kept"}, {"id": "c", "type": "kept", "name": "C"}]
    given = playbill.PipelineDefinition.model_validate({"nodes": nodes, "edges": [{"from": "a", "to": "b"}]})
    said = [each.model_fields_set.copy() for each in given.nodes]
    own = compiler.of(given).definition
    assert [each.model_fields_set for each in given.nodes] == [each.model_fields_set for each in own.nodes] == said
    assert given.nodes[0].model_fields_set is given.nodes[1].model_fields_set
    assert own.model_dump() == given.model_dump()


def shared(depth: int) -> list[Any]:
    """As many places as 2 to the power of `depth`, in as many lists as `depth`."""
    made: list[Any] = ["x"]
    for _ in range(depth):
        made = [made, made]
    return made


@pytest.mark.parametrize(
    "said", [shared(26), ["x" * 1024 * 1024] * 17, {"x" * 1024 * 1024 * (place + 1): 1 for place in range(6)}]
)
def test_what_would_make_a_key_of_any_size_has_none(said: Any) -> None:
    assert Key.of(mapping(said)) is None


def test_what_is_shared_now_and_then_has_a_key() -> None:
    assert Key.of(mapping(shared(10))) is not None


def test_a_call_of_an_object_that_equals_everything_is_told_from_another(
    compiler: PipelineCompiler, module: Callable[[int, str], None]
) -> None:
    given = {"nodes": [{"id": "a", "type": "python", "config": {"call": "given_again:work"}}]}
    alike = "class Alike:\n  def __eq__(self, other): return True\n  __hash__ = None\n"
    module(1, f"{alike}  async def __call__(self): return 1\nwork = Alike()")
    assert compiler.of(given).bindings.by_node["a"].on_loop
    module(2, f"{alike}  def __call__(self): return 1\nwork = Alike()")
    assert not compiler.of(given).bindings.by_node["a"].on_loop


def test_a_call_of_a_method_is_known_again(compiler: PipelineCompiler, module: Callable[[int, str], None]) -> None:
    given = {"nodes": [{"id": "a", "type": "python", "config": {"call": "given_again:it.work"}}]}
    module(1, "class It:\n  def work(self): return 1\nit = It()")
    assert compiler.of(deepcopy(given)) is compiler.of(given)
