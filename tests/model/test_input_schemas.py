"""The `inputs` of a pipeline: nothing is fetched, nothing takes for ever, and all is said when it is validated."""

import subprocess
import sys
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from playbill.model.definition import definition_from
from playbill.model.errors import DefinitionError
from playbill.model.frozen import freeze
from playbill.model.input_schemas import MAX_VIOLATIONS, schema_problems, unused_defaults
from playbill.model.run_inputs import check_trigger_data

HUGE = 10**400


def checked(schema: dict[str, Any], data: Any) -> dict[str, Any]:
    definition = definition_from({"nodes": [{"id": "a", "type": "trigger"}], "inputs": schema})
    return check_trigger_data(definition, data)


def violation(schema: dict[str, Any], data: Any) -> str:
    assert schema_problems(schema) == []
    with pytest.raises(DefinitionError) as caught:
        checked(schema, data)
    assert {problem.code for problem in caught.value.problems} == {"invalid-trigger-data"}
    return str(caught.value)


def doubling(key: str, last: dict[str, Any]) -> dict[str, Any]:
    """24 schemas, each of which asks the next one twice."""
    steps = {f"d{step}": {key: [{"$ref": f"#/$defs/d{step + 1}"}] * 2} for step in range(24)}
    return {"$ref": "#/$defs/d0", "$defs": {**steps, "d24": last}}


@pytest.mark.parametrize(
    ("schema", "where", "said"),
    [
        ({"$ref": "http://127.0.0.1:9/x"}, "inputs", "refers to an unknown schema, and none is fetched"),
        ({"$ref": "file:///etc/hostname"}, "inputs", "none is fetched"),
        ({"$dynamicRef": "http://127.0.0.1:9/x"}, "inputs", "none is fetched"),
        ({"$id": "http://127.0.0.1:9/a", "$ref": "b"}, "inputs", "none is fetched"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/x#/b"}}}, "inputs", "none is fetched"),
        ({"$schema": "http://127.0.0.1:9/x"}, "inputs", "Unknown meta-schema"),
        ({"$ref": "#/nowhere"}, "inputs", "Pointer '/nowhere' does not exist"),
        ({"$ref": "#"}, "inputs", "refers to itself for the same value"),
        ({"$dynamicRef": "#"}, "inputs", "refers to itself for the same value"),
        ({"allOf": [{"$ref": "#"}]}, "inputs", "refers to itself for the same value"),
        ({"$ref": "#a", "$defs": {"a": {"$anchor": "a", "not": {"$ref": "#/$defs/a"}}}}, "inputs", "to itself"),
        ({"type": "str"}, "inputs.type", "'str' is not valid"),
        ({"multipleOf": 0}, "inputs.multipleOf", "0 is less than or equal to the minimum of 0"),
        ({"properties": {"a": {"pattern": "("}}}, "inputs.properties.a.pattern", "'(' is not a 'regex'"),
        ({"pattern": "a(?=b)"}, "inputs.pattern", "is not a 'regex'"),
        ({"patternProperties": {"(?<=a)b": {}}}, "inputs.patternProperties.(?<=a)b", "is not a 'regex'"),
        ({"items": {"pattern": "(a{99}){150}"}}, "inputs.items", "over 10,000 positions"),
        (doubling("anyOf", {"type": "number"}), "inputs", "evaluates one value in"),
        (doubling("oneOf", {}), "inputs", "evaluates one value in"),
        (
            {
                "$defs": {str(i): {"items": {"anyOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2}} for i in range(24)}
                | {"24": {}}
            },
            "inputs.$defs.0",
            "evaluates one value in",
        ),
        ({"default": float("nan")}, "inputs", "inputs.default is nan, which JSON cannot say"),
        ({"properties": {"a": {"default": object()}}}, "inputs", "inputs.properties.a.default is object"),
        ({"properties": {1: {}}}, "inputs", "inputs.properties has the key 1, and keys are strings"),
        ({"enum": [b"x"]}, "inputs", "inputs.enum[0] is bytes, which JSON cannot say"),
        ({"multipleOf": 10**5000}, "inputs", "inputs.multipleOf has more than 4,300 digits"),
    ],
)
def test_a_schema_that_cannot_be_checked_in_a_bounded_time_is_refused(
    schema: dict[str, Any], where: str, said: str
) -> None:
    (problem,) = schema_problems(schema)
    assert (problem.code, problem.where) == ("invalid-schema", where)
    assert said in problem.message


def test_a_schema_of_great_depth_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"allOf": [schema]}
    (problem,) = schema_problems(schema)
    assert "nested more than 100 deep" in problem.message


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"properties": {"a": {"type": "number", "default": "x"}}}, ["inputs.properties.a.default"]),
        ({"properties": {"a": {"$ref": "#/$defs/n", "default": "x"}}, "$defs": {"n": {"type": "number"}}},
         ["inputs.properties.a.default"]),
        ({"oneOf": [{"properties": {"a": {"enum": [1], "default": 2}}}]}, ["inputs.oneOf[0].properties.a.default"]),
        ({"properties": {"a/b~c": {"properties": {"d": {"minimum": 3, "default": 2}}}}},
         ["inputs.properties.a/b~c.properties.d.default"]),
        ({"items": {"pattern": "^(a+)+$", "default": "a" * 40 + "b"}}, ["inputs.items.default"]),
        ({"properties": {"a": {"type": "number", "default": 1}, "b": True}}, []),
    ],
)  # fmt: skip
def test_a_default_that_violates_its_own_schema_is_refused(schema: dict[str, Any], where: list[str]) -> None:
    problems = schema_problems(schema)
    assert [problem.where for problem in problems] == where
    assert all(problem.code == "invalid-default" for problem in problems)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "items": [{}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "$defs": 5, "dependentSchemas": 5, "prefixItems": 5},
        {"$schema": "http://json-schema.org/draft-04/schema#", "const": [], "$dynamicRef": [], "if": 5},
        {"$id": "http://127.0.0.1:9/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "object"}}},
        {"$ref": "#/$defs/tree", "$defs": {"tree": {"properties": {k: {"$ref": "#/$defs/tree"} for k in "abc"}}}},
        pytest.param(
            {"properties": {f"p{index}": {"type": "string"} for index in range(20_000)}}, marks=pytest.mark.no_cover
        ),
    ],
)
def test_what_is_bounded_is_taken(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == []


@pytest.mark.parametrize(
    ("schema", "data", "said"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 5000 + "b"}, "trigger_data.a: "),
        ({"patternProperties": {"^(a+)+$": False}}, {"a" * 50: 1}, "False schema does not allow 1"),
        ({"properties": {"a": {"multipleOf": HUGE}}}, {"a": 5}, "is not a multiple of"),
        ({"properties": {"a": {"maximum": 5}}}, {"a": HUGE}, "trigger_data.a: "),
        ({"properties": {"a": {"type": "string"}}}, {"a": 10**5000}, "trigger_data.a has more than 4,300 digits"),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [[each] for each in [*range(9000), 7]]}, "non-unique"),
        ({"required": ["amount"]}, {}, "trigger_data: 'amount' is a required property"),
    ],
)
def test_data_that_violates_a_schema_is_told_in_a_short_text(schema: dict[str, Any], data: Any, said: str) -> None:
    text = violation(schema, data)
    assert said in text
    assert len(text) < 500


def test_only_the_first_violations_are_told() -> None:
    with pytest.raises(DefinitionError) as caught:
        checked({"properties": {"a": {"items": {"type": "string"}}}}, {"a": [1] * 1000})
    assert len(caught.value.problems) == MAX_VIOLATIONS


@pytest.mark.parametrize("data", [5, "text", [("a", 1)], b"x", object()])
def test_trigger_data_that_is_not_a_mapping_is_refused(data: object) -> None:
    with pytest.raises(DefinitionError, match="trigger_data is a mapping of names to values, not"):
        checked({}, data)


@pytest.mark.parametrize("data", [{1: 2}, {"a": b"x"}, {"a": float("inf")}, {"a": {1, None}}, {"a": object()}])
def test_trigger_data_that_json_cannot_say_is_refused_whatever_the_schema(data: object) -> None:
    with pytest.raises(DefinitionError, match="trigger_data"):
        checked({}, data)


def test_a_tuple_is_a_list() -> None:
    assert checked({"properties": {"a": {"type": "array", "items": {"type": "number"}}}}, {"a": (1, 2)}) == {
        "a": [1, 2]
    }


def test_trigger_data_is_made_plain_before_it_is_checked() -> None:
    schema = {"properties": {"on": {"type": "string", "format": "date"}, "price": {"type": "string"}}}
    assert checked(schema, {"on": date(2026, 1, 2), "price": Decimal("1.10")}) == {
        "on": "2026-01-02",
        "price": "1.10",
    }


def test_defaults_are_filled_into_what_another_run_gave() -> None:
    schema = {"properties": {"order": {"properties": {"n": {"default": 1}}}}}
    given = freeze({"order": {}}, "a")
    assert checked(schema, given) == {"order": {"n": 1}}
    assert given == {"order": {}}


def test_a_wrong_schema_is_the_definitions_fault_for_whoever_starts_a_run() -> None:
    with pytest.raises(DefinitionError, match="none is fetched") as caught:
        checked({"$ref": "http://127.0.0.1:9/x"}, {})
    assert [problem.code for problem in caught.value.problems] == ["invalid-schema"]


def test_nobody_is_asked_for_a_schema() -> None:
    """Whoever opens a socket, resolves a name or opens a URL in this program is caught."""
    code = """
import sys
from playbill.model.input_schemas import schema_problems
def look(event, args):
    if event.startswith(('socket.', 'urllib.')):
        print(event, args)
        sys.stdout.flush()
sys.addaudithook(look)
for ref in ('http://127.0.0.1:9/x', 'https://localhost:9/x', 'file:///etc/hostname', 'x', '//localhost:9/x'):
    assert len(schema_problems({'$ref': ref})) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("schema", "where", "said"),
    [
        ({"properties": {"a": {"required": True}}}, "inputs.properties.a.required", "required: [a]"),
        ({"properties": {"a": {"required": "yes"}}}, "inputs.properties.a.required", "`required` is a list"),
        ({"required": "a", "properties": {"a": {}}}, "inputs.required", "`required` is a list of names"),
        ({"propertes": {"a": {}}}, "inputs.propertes", "changes nothing: did you mean 'properties'?"),
        ({"requierd": ["a"]}, "inputs.requierd", "did you mean 'required'?"),
        ({"properties": {"a": {"defualt": 1}}}, "inputs.properties.a.defualt", "did you mean 'default'?"),
        ({"properties": {"a": {"type": "array", "item": {}}}}, "inputs.properties.a.item", "did you mean 'items'?"),
        ({"$defs": {"a": {"min_length": 3}}}, "inputs.$defs.a.min_length", "did you mean 'minLength'?"),
        (
            {"allOf": [{"additionalproperties": False}]},
            "inputs.allOf[0].additionalproperties",
            "additionalProperties",
        ),
        ({"properties": {"a": {"min": 3}}}, "inputs.properties.a.min", "write `minimum`"),
        ({"properties": {"a": {"nullable": True}}}, "inputs.properties.a.nullable", "type: [string, 'null']"),
        ({"amount": {"type": "number"}}, "inputs.amount", "names stand under `properties`, 'amount' too"),
        ({"amount": "number"}, "inputs.amount", "names stand under `properties`"),
        ({"properties": {"a": {"type": "int"}}}, "inputs.properties.a.type", "did you mean 'integer'?"),
        ({"properties": {"a": {"type": "str"}}}, "inputs.properties.a.type", "did you mean 'string'?"),
        ({"properties": {"amount": {}}, "required": ["amuont"]}, "inputs.required[0]", "did you mean 'amount'?"),
        (
            {"properties": {"a": {}}, "required": ["zz"], "additionalProperties": False},
            "inputs.required[0]",
            "requires 'zz', which additionalProperties forbids",
        ),
        ({"properties": {"a": {"type": "string", "minimum": 3}}}, "inputs.properties.a.minimum", "it is for numbers"),
        ({"properties": {"a": {"type": "array", "minLength": 3}}}, "inputs.properties.a.minLength", "for strings"),
    ],
)
def test_a_regular_mistake_is_told_before_a_run(schema: dict[str, Any], where: str, said: str) -> None:
    found = {problem.where: problem.message for problem in schema_problems(schema)}
    assert said in found[where]


def test_all_mistakes_of_a_schema_are_told_at_once() -> None:
    schema = {"propertes": {}, "properties": {"a": {"type": "int", "required": True}, "b": {"enum": 3}}}
    assert sorted(problem.where for problem in schema_problems(schema)) == [
        "inputs.propertes", "inputs.properties.a.required", "inputs.properties.a.type", "inputs.properties.b.enum",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "schema",
    [
        {"x-order": 3, "markdownDescription": "x", "label": "Amount", "example": 3, "unit": "EUR"},
        {"properties": {"min": {"type": "number"}, "required": {"type": "boolean"}, "propertes": {}}},
        {"type": ["string", "number"], "minimum": 3, "minLength": 1},
        {"type": "integer", "minimum": 3},
        {"properties": {"a": {}}, "required": ["b"]},
        {"default": {"propertes": 1}, "enum": [{"propertes": 1}], "examples": [{"min": 1}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}},
        {
            "note": "x",
            "notes": ["x"],
            "comment": "x",
            "title_de": "x",
            "description_de": "x",
            "schema": "x",
            "ids": "x",
        },
        {"properties": {"a": {"type": "string", "ui": {"type": "text"}, "widget": "number"}}},
        {
            "properties": {"address1": {}, "address2": {}},
            "if": {"required": ["address1"]},
            "then": {"properties": {"address1": {"minLength": 1}}, "required": ["address2"]},
        },
    ],
)
def test_a_comment_is_no_mistake(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == []


@pytest.mark.parametrize(
    ("schema", "data", "filled"),
    [
        (
            {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"default": 1}}},
            {},
            {"a": 1},
        ),
        ({"$ref": "#/$defs/all", "$defs": {"all": {"properties": {"a": {"default": 1}}}}}, {}, {"a": 1}),
        (
            {"allOf": [{"properties": {"a": {"default": 1}}}, {"properties": {"b": {"default": 2}}}]},
            {},
            {"a": 1, "b": 2},
        ),
        (
            {"properties": {"a": {"allOf": [{"$ref": "#x"}]}}, "$defs": {"x": {"$anchor": "x", "default": 1}}},
            {},
            {"a": 1},
        ),
        (
            {"properties": {"l": {"items": {"properties": {"a": {"default": 1}}}}}},
            {"l": [{}, {"a": 2}, 3]},
            {"l": [{"a": 1}, {"a": 2}, 3]},
        ),
        (
            {"properties": {"l": {"prefixItems": [{}, {"properties": {"a": {"default": 1}}}], "items": {}}}},
            {"l": [{}, {}, {}]},
            {"l": [{}, {"a": 1}, {}]},
        ),
        ({"additionalProperties": {"properties": {"a": {"default": 1}}}}, {"x": {}}, {"x": {"a": 1}}),
        (
            {"properties": {"o": {"default": {}, "properties": {"a": {"default": 1}}}}},
            {},
            {"o": {"a": 1}},
        ),
        ({"properties": {"a": {"$ref": "#/$defs/a", "default": 2}}, "$defs": {"a": {"default": 1}}}, {}, {"a": 2}),
        (
            {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"n": {"default": 0}, "t": {"$ref": "#/$defs/t"}}}}},
            {"t": {"t": {}}},
            {"n": 0, "t": {"n": 0, "t": {"n": 0}}},
        ),
        ({"properties": {"a": {"anyOf": [{"default": 1}, {"default": 2}]}}}, {}, {}),
        ({"if": {}, "then": {"properties": {"a": {"default": 1}}}}, {}, {}),
        (
            {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"default": None}}},
            {},
            {"a": None},
        ),
    ],
)
def test_defaults_are_filled_in_wherever_they_hold_for_sure(
    schema: dict[str, Any], data: dict[str, Any], filled: dict[str, Any]
) -> None:
    assert schema_problems(schema) == []
    assert checked(schema, data) == filled


def test_a_default_that_is_filled_into_itself_is_refused() -> None:
    schema = {"properties": {"t": {"$ref": "#", "default": {}}}}
    (problem,) = schema_problems(schema)
    assert problem.message == "inputs never ends: the default of 't' is filled into itself for ever"
    node = {"properties": {"t": {"$ref": "#/$defs/n", "default": {}}}}
    with pytest.raises(DefinitionError, match="filled into itself for ever"):
        checked({"additionalProperties": {"$ref": "#/$defs/n"}, "$defs": {"n": node}}, {"x": {}})


def test_defaults_that_are_never_filled_in_are_told() -> None:
    schema = {
        "default": {},
        "properties": {
            "a": {"anyOf": [{"default": 1}]}, "b": {"default": 1}, "c": {"$ref": "#/$defs/c"},
            "d": {"items": {"default": 1}},
        },
        "$defs": {"c": {"default": 1}, "unused": {"default": 1}},
    }  # fmt: skip
    assert [problem.where for problem in unused_defaults(schema)] == [
        "inputs.default", "inputs.$defs.unused.default", "inputs.properties.a.anyOf[0].default",
        "inputs.properties.d.items.default",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["first name", "größe", "50%", "a[0]", "a/b~c", "#", "?x=1", "%41", ""])
def test_a_property_of_any_name_may_have_a_default(name: str) -> None:
    schema = {"properties": {name: {"type": "string", "default": "x"}}}
    assert schema_problems(schema) == []
    wrong = {"properties": {name: {"type": "string", "default": 1}}}
    assert [problem.code for problem in schema_problems(wrong)] == ["invalid-default"]


def test_a_default_may_have_its_own_defaults() -> None:
    inner = {"type": "object", "required": ["q"], "properties": {"q": {"default": 1}}, "default": {}}
    assert schema_problems({"properties": {"a": inner}}) == []


def test_a_reference_to_nowhere_beside_a_default_is_told() -> None:
    part = {"properties": {"x": {"$dynamicRef": "#nowhere", "default": 1}}}
    assert schema_problems({"if": part}) != []
