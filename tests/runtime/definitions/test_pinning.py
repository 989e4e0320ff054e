"""What a run is pinned to: made once, late, by nobody who does not ask; and what decorators say of versions."""

import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

import playbill
from playbill.model.handler_versions import DeclaredVersion, compare_versions
from playbill.model.policies import StopPolicy
from playbill.model.steps import STEP, finished
from playbill.model.stored_form import canonical_json, definition_hash, definition_of, stored_form
from playbill.runtime.definitions import compiler, handler_source
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.compiler import CompiledPipeline
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.definitions.marks import DECORATED


@pytest.fixture(autouse=True)
def types_of_one_test() -> Iterator[None]:
    """Forget what a test has marked, at whatever place."""
    before = dict(DECORATED)
    yield
    DECORATED.clear()
    DECORATED.update(before)


def made(name: str = "mine", **said: Any) -> Any:
    @playbill.node_type(name, **said)
    async def handler(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}

    return handler


def compiled(*nodes: dict[str, Any], types: Any = ()) -> CompiledPipeline:
    named = [{"id": f"n{place}", **node} for place, node in enumerate(nodes)]
    return PipelineCompiler(catalog_of(types), StopPolicy()).of({"nodes": named})


def refusal(**said: Any) -> str:
    with pytest.raises(playbill.DefinitionError) as caught:
        made(**said)
    return str(caught.value)


# ---- versions -------------------------------------------------------------------------------------------------


def test_a_handler_says_its_version_and_those_it_accepts() -> None:
    @playbill.action("ship", version="2", accepts=["1", "0", "1"])
    def ship(node: Any, inputs: Any, context: Any) -> None: ...

    found = compiled(
        {"type": "action", "config": {"action": "ship"}}, {"type": "mine"}, types=[ship, made()]
    ).versions
    assert list(found) == ["action:ship", "mine"]
    assert (found["action:ship"]["version"], found["action:ship"]["accepts"]) == ("2", ["0", "1"])
    assert (found["mine"]["version"], found["mine"]["accepts"]) == (None, [])
    assert DECORATED[next(key for key in DECORATED if "'ship'" in key)].work.declared == DeclaredVersion(
        "2", ("0", "1")
    )


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"version": 2}, "node type 'mine': version takes text, not 2: write it in quotes, \"2\""),
        ({"version": ""}, "node type 'mine': version has an empty version"),
        ({"version": " \n"}, "version has an empty version"),
        ({"version": "x" * 65}, "a version has 64 characters at most, and"),
        ({"version": "2", "accepts": "1"}, "accepts is a list of versions, not '1': write accepts=['1']"),
        ({"version": "2", "accepts": None}, "accepts is a list of versions, not None"),
        ({"version": "2", "accepts": [1]}, "accepts takes text, not 1: write it in quotes"),
        ({"version": "2", "accepts": [""]}, "accepts has an empty version"),
        ({"version": "2", "accepts": ["x" * 65]}, "accepts: a version has 64 characters at most"),
        ({"accepts": ["1"]}, "accepts names earlier versions, and there is no version now"),
    ],
)
def test_what_is_no_version_is_refused_where_it_is_marked(said: dict[str, Any], text: str) -> None:
    assert text in refusal(**said)


def test_a_version_of_64_characters_is_one() -> None:
    assert compiled({"type": "mine"}, types=[made(version="x" * 64)]).versions["mine"]["version"] == "x" * 64


def test_each_type_action_and_called_function_has_a_key_of_its_own() -> None:
    types = [made("action:call_api"), made("python:shutil:which"), made("plain")]
    found = compiled(
        {"type": "action:call_api"},
        {"type": "python:shutil:which"},
        {"type": "plain"},
        {"type": "plain"},
        {"type": "trigger"},
        {"type": "action", "config": {"action": "call_api", "url": "https://x"}},
        {"type": "python", "config": {"call": "shutil:which", "args": {"cmd": "x"}}},
        {"type": "python", "config": {"call": "time:time"}},
        types=types,
    ).versions
    assert list(found) == [
        "action:call_api",
        "plain",
        "python",
        "python:shutil:which",
        "python:time:time",
        "trigger",
        "type:action:call_api",
        "type:python:shutil:which",
    ]
    assert found["python:shutil:which"]["source"] == handler_source.source_of(shutil.which)
    assert found["python:time:time"]["source"] is None


def test_for_what_playbill_brings_its_own_version_stands() -> None:
    found = compiled(
        {"type": "trigger"},
        {"type": "command", "config": {"argv": ["true"]}},
        {"type": "delay", "config": {"seconds": 1}},
    ).versions
    assert all(str(each["source"]).startswith("playbill ") and each["version"] is None for each in found.values())


def test_another_source_of_a_version_is_a_note_and_another_version_sets_aside() -> None:
    def of(handler: Any) -> Any:
        return compiled({"type": "mine"}, types=[handler]).versions

    one, other = of(made(version="1")), of(made(version="2"))
    assert compare_versions(one, other).sets_aside
    assert not compare_versions(one, of(made(version="2", accepts=["1"]))).sets_aside

    @playbill.node_type("mine", version="1")
    async def written_otherwise(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"other": 1}

    changes = compare_versions(one, of(written_otherwise))
    assert (changes.sources, changes.sets_aside) == (("mine",), False)


# ---- late, and once -------------------------------------------------------------------------------------------


def test_nothing_is_pinned_or_hashed_for_who_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(compiler, "pinning", fail)
    monkeypatch.setattr(compiler, "handler_versions", fail)
    monkeypatch.setattr("playbill.runtime.definitions.versions.source_of", fail)
    result = playbill.run({"nodes": [{"id": "a", "type": "mine"}]}, types=[made(version="1")])
    assert result.status == "completed"


def test_it_is_made_once_for_all_runs_of_a_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(name: str) -> None:
        made: Any = getattr(compiler, name)

        def call(*given: Any) -> Any:
            calls.append(name)
            return made(*given)

        monkeypatch.setattr(compiler, name, call)

    counted("pinning")
    counted("handler_versions")
    compilation = PipelineCompiler(catalog_of([made()]), StopPolicy())
    mapping = {"nodes": [{"id": "a", "type": "mine"}]}
    for _ in range(3):
        found = compilation.of(dict(mapping))
        assert found.pin is compilation.of(dict(mapping)).pin
        assert finished(found.pinned()) is found.pin
        assert found.versions is compilation.of(dict(mapping)).versions
    assert calls == ["pinning", "handler_versions"]


def test_a_pin_made_in_steps_is_the_pin() -> None:
    nodes = [{"type": "command", "config": {"argv": ["true"]}}] * 100
    stepped, at_once = compiled(*nodes), compiled(*nodes)
    assert len(list(stepped.pinned())) > len(nodes) // STEP
    assert stepped.pin == at_once.pin


def test_a_pin_is_the_text_of_the_stored_form_and_its_hash() -> None:
    found = compiled({"type": "command", "config": {"argv": ["true"]}})
    stored = stored_form(found.definition, found.catalog)
    assert found.pin.hash == definition_hash(stored) == sha256(canonical_json(stored).encode()).hexdigest()
    assert json.loads(found.pin.text) == stored


def test_a_mapping_in_a_config_keeps_its_order_and_counts_alike_in_each() -> None:
    one, other = (
        compiled({"type": "command", "config": {"argv": ["true"], "env": dict.fromkeys(names, "x")}})
        for names in ("ba", "ab")
    )
    assert one.pin.hash == other.pin.hash
    assert list(json.loads(one.pin.text)["nodes"][0]["config"]["env"]) == ["b", "a"]


def test_a_stored_definition_whose_type_is_gone_is_refused_by_its_name() -> None:
    found = compiled({"type": "mine"}, types=[made()])
    read = definition_of(stored_form(found.definition, found.catalog))
    with pytest.raises(playbill.DefinitionError, match="type 'mine'"):
        PipelineCompiler(catalog_of([made("other")]), StopPolicy()).of(read)


def test_a_stored_definition_is_compiled_to_the_same_pin() -> None:
    found = compiled({"type": "mine", "retry": 2}, {"type": "command", "config": {"argv": ["true"]}}, types=[made()])
    read = definition_of(stored_form(found.definition, found.catalog))
    again = PipelineCompiler(catalog_of([made()]), StopPolicy()).of(read)
    assert again.pin == found.pin
    assert again.plan.nodes["n1"].retry == found.plan.nodes["n1"].retry
