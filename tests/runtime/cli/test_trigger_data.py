"""What `--input` and `--input-json` make of a value: the type of the pipeline's schema, else today's rule."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.options.trigger_data import trigger_data_of
from tests.stories.support import node, pipeline

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "number": {"type": "number"},
        "whole": {"type": "integer"},
        "flag": {"type": "boolean"},
        "list": {"type": "array"},
        "map": {"type": "object"},
        "text_or_number": {"type": ["number", "string"]},
        "number_or_null": {"type": ["number", "null"]},
        "any_of": {"anyOf": [{"type": "array"}, {"type": "null"}]},
        "texts": {"enum": ["1", "2"]},
        "numbers": {"enum": [1, 2]},
        "const": {"const": "7"},
        "ref": {"$ref": "#/$defs/a~1b"},
        "untyped": {"description": "whatever"},
        "true": True,
    },
    "additionalProperties": {"type": "string"},
    "$defs": {"a/b": {"type": "string"}, "more": {"properties": {"deep": {"type": "string"}}}},
    "allOf": [{"$ref": "#/$defs/more"}],
}


def read(*pairs: str, schema: dict[str, Any] | None = SCHEMA) -> dict[str, Any]:
    return trigger_data_of(pipeline(node("a"), inputs=schema), None, list(pairs))


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=1.10", "1.10"), ("text=true", "true"), ("text=null", "null"), ('text="a"', '"a"'), ("text=", ""),
        ("text=a=b", "a=b"), ("number=1.10", 1.1), ("number=.5", 0.5), ("number=+3", 3), ("number=1e3", 1000.0),
        ("number=abc", "abc"), ("number=1_0", "1_0"), ("number=nan", "nan"), ("whole=7", 7), ("whole=-0", 0),
        ("whole=1.5", 1.5), ("flag=true", True), ("flag=False", False), ("flag=yes", "yes"), ("list=[1, 2]", [1, 2]),
        ("list=[a, b]", ["a", "b"]), ("list=- a\n- b", ["a", "b"]), ("list=[a", "[a"), ('map={"a": 1}', {"a": 1}),
        ("map={a: 1}", {"a": 1}), ("text_or_number=1.10", "1.10"), ("number_or_null=null", None),
        ("any_of=[1]", [1]), ("texts=1", "1"), ("numbers=1", 1), ("const=7", "7"), ("ref=1.10", "1.10"),
        ("deep=1.10", "1.10"), ("untyped=1.10", 1.1),
        ("untyped=abc", "abc"), ("true=[1]", [1]), ("other=1.10", "1.10"),
    ],
)  # fmt: skip
def test_a_value_has_the_type_of_the_schema(pair: str, value: Any) -> None:
    (found,) = read(pair).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", 1.1),
        ("abc", "abc"),
        ("NaN", "NaN"),
        ("[1]", [1]),
        *((text, text) for text in ("[" * 100_000, "9" * 5000)),
    ],
    ids=["number", "text", "no number", "list", "deep", "long"],
)
def test_without_a_schema_json_counts_where_it_parses(text: str, value: Any) -> None:
    assert read(f"a={text}", schema=None) == {"a": value}


CIRCLE = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
LOOSE = {"properties": {"a": {"$ref": "#/x/y"}}}


@pytest.mark.parametrize("schema", [{"type": 5}, {"properties": {"a": {"type": 5}}}, LOOSE, CIRCLE])
def test_a_schema_that_is_wrong_is_told_of_by_the_start(schema: dict[str, Any]) -> None:
    assert read("a=1", schema=schema) == {"a": 1}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["n"], "--input takes key=value, not 'n'"),
        (["=n"], "--input takes key=value, not '=n'"),
        (["@data.json"], "--input-json FILE takes a whole file"),
        (["n=1", "n=2"], "--input says 'n' twice: say it once"),
    ],
)
def test_a_wrong_pair_is_named_with_the_way_out(pairs: list[str], said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        read(*pairs)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"", "is not valid JSON: Expecting value at line 1, column 1"),
        (b"[1]", "trigger data is an object, not list"),
        (b'{"a":' + b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "data.json:1:7: is not valid JSON: a number has 5,000 digits"),
        (b'{"a": 1, "a": 2}', "data.json:1:10: has the key 'a' twice in one object: keep one"),
        (b'{"a": NaN}', "data.json:1:7: holds NaN, which is not JSON"),
    ],
    ids=["none", "binary", "empty", "list", "deep", "long", "twice", "nan"],
)
def test_a_wrong_file_is_named(tmp_path: Path, data: bytes | None, said: str) -> None:
    file = tmp_path / "data.json"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(DefinitionError) as error:
        trigger_data_of(pipeline(node("a")), str(file), [])
    assert str(error.value).startswith("--input-json")
    assert str(file) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_single_values_win_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"a": 1, "b": 2}'))
    assert trigger_data_of(pipeline(node("a")), "-", ["b=3"]) == {"a": 1, "b": 3}


@pytest.mark.parametrize(("said", "value"), [("1", 1), ("two", "two"), ("3", 3), ("true", True)])
def test_of_listed_values_a_number_may_be_one(said: str, value: Any) -> None:
    definition = pipeline(node("a"), inputs={"properties": {"e": {"enum": [1, "two"]}}})
    assert trigger_data_of(definition, None, [f"e={said}"]) == {"e": value}
    texts = pipeline(node("a"), inputs={"properties": {"e": {"enum": ["1", "two"]}}})
    assert trigger_data_of(texts, None, [f"e={said}"]) == {"e": said}
