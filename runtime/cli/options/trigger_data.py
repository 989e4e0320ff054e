"""What a command line says of a run's trigger data: `--input key=value` and `--input-json FILE`.

A value has the type that the definition's `inputs` say: text where it is text, else what it says as JSON; lists and
mappings may be YAML, too. Where they say no type, JSON counts where the value parses as such, else it is text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeAlias, cast

from cyclopts import Parameter

from playbill.model import strict_json
from playbill.model.errors import DefinitionError
from playbill.model.input_schemas import schema_problems
from playbill.model.loading import parse_mapping
from playbill.model.places import TextError

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition

__all__ = ["Inputs", "trigger_data_of"]

INPUTS_HELP: Final = (
    "one value of the trigger data as key=value: of the type that the pipeline's `inputs` say, text where it is "
    "text, else JSON (a list or a mapping may be YAML); where they say no type, JSON if it parses as such, else "
    "text; may be given several times."
)
Inputs: TypeAlias = Annotated[list[str] | None, Parameter(name="--input", negative=(), help=INPUTS_HELP)]
Schema: TypeAlias = Mapping[str, Any]
NAMES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
"""How a JSON Schema calls the types of values."""
BRANCHES: Final = ("anyOf", "oneOf", "allOf")


def trigger_data_of(definition: PipelineDefinition, input_json: str | None, inputs: list[str]) -> dict[str, Any]:
    """Return the trigger data that a command line says; single values win over the file's."""
    schema = definition.inputs or {}
    if inputs and schema and schema_problems(schema):  # the run's start says so
        schema = {}
    return {**_from_json(input_json), **_from_pairs(schema, inputs)}


# ---- --input key=value ----------------------------------------------------------------------------------------


def _from_pairs(schema: Schema, pairs: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            rule = "; --input-json FILE takes a whole file" if pair.startswith("@") else ""
            _refuse("--input", f"--input takes key=value, not '{pair}'{rule}")
        if key in data:
            _refuse(
                "--input", f"--input says '{key}' twice: say it once; several values are one list, {key}='[1, 2]'"
            )
        schemas = [*_schemas_of(key, schema, schema)]
        types = {kind for said in schemas for kind in _types_of(said, schema)}
        data[key] = _value_of(text, types, [each for said in schemas for each in _choices_of(said, schema)])
    return data


def _schemas_of(key: str, schema: object, root: Schema) -> Iterator[object]:
    """Yield what a schema says of one key of the trigger data."""
    said = _as_schema(schema)
    properties = _as_schema(said.get("properties"))
    if key in properties:
        yield properties[key]
    elif "additionalProperties" in said:
        yield said["additionalProperties"]
    for part in _parts_of(said, root):
        yield from _schemas_of(key, part, root)


def _types_of(schema: object, root: Schema) -> Iterator[str]:
    """Yield the types that a value may have by its schema; of one that says nothing there are none."""
    said = _as_schema(schema)
    if "type" in said:
        yield from [said["type"]] if isinstance(said["type"], str) else said["type"]
        return
    yield from (NAMES.get(type(value), "null") for value in _listed(said))
    for part in _parts_of(said, root):
        yield from _types_of(part, root)


def _choices_of(schema: object, root: Schema) -> Iterator[object]:
    """Yield the values that are listed by a schema; of one that lists none there are none."""
    said = _as_schema(schema)
    yield from _listed(said)
    for part in _parts_of(said, root):
        yield from _choices_of(part, root)


def _listed(said: Schema) -> list[object]:
    """Return the values that a schema names itself."""
    return cast("list[object]", said.get("enum", [said["const"]] if "const" in said else []))


def _parts_of(said: Schema, root: Schema) -> Iterator[object]:
    """Yield the schemas that speak of the same value, too; none goes in circles, as the schema's check says."""
    for word in BRANCHES:
        yield from said.get(word, [])
    if "$ref" in said:
        found: object = root
        for part in str(said["$ref"]).removeprefix("#").split("/")[1:]:
            found = _as_schema(found).get(part.replace("~1", "/").replace("~0", "~"))
        yield found


def _as_schema(schema: object) -> Schema:
    """Return a schema that says something; `true` and `false` say nothing of types."""
    return cast("Schema", schema) if isinstance(schema, Mapping) else {}


def _value_of(text: str, types: set[str], choices: list[object]) -> Any:
    """Return a value of one of these types, or the text, of which the schema's check says what is wrong.

    Args:
        text: what stands on the command line.
        types: what it may be.
        choices: the values that are listed, if any are: of `[1, two]` a `1` is the number.
    """
    if "string" in types and (text in choices or not any(isinstance(each, int | float) for each in choices)):
        return text
    try:
        return json.loads(text, parse_constant=strict_json.refuse_constant)
    except (ValueError, RecursionError):
        pass
    if types & {"array", "object"}:
        return _from_yaml(text)
    if "boolean" in types and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return _number_of(text) if types & {"integer", "number"} else text


def _from_yaml(text: str) -> Any:
    try:
        return parse_mapping(f"value:\n{indent(text, '  ')}\n", source="--input", holds="a value")["value"]
    except DefinitionError:
        return text


def _number_of(text: str) -> float | str:
    """Return a number that JSON writes another way, such as .5 or +3."""
    try:
        number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return text
    return number if isfinite(number) and "_" not in text else text


# ---- --input-json FILE ----------------------------------------------------------------------------------------


def _from_json(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
        parsed = strict_json.parse(text)
    except OSError as error:
        _refuse("--input-json", f"--input-json {source}: cannot be read: {error.strerror or error}", error)
    except UnicodeDecodeError as error:
        _refuse("--input-json", f"--input-json {source}: is not UTF-8: {error.reason} at {error.start}", error)
    except TextError as error:
        line, column = error.mark or (1, 1)
        place = f"line {line}, column {column}"
        _refuse("--input-json", f"--input-json {source}: is not valid JSON: {error.said} at {place}", error)
    except ValueError as error:
        _refuse("--input-json", f"--input-json {source}: {error}", error)
    except RecursionError as error:
        _refuse("--input-json", f"--input-json {source}: is nested too deeply", error)
    if parsed.is_odd:
        raise DefinitionError("", strict_json.read(text, source).faults, "--input-json")
    data = parsed.value
    if not isinstance(data, dict):
        _refuse("--input-json", f"--input-json {source}: trigger data is an object, not {type(data).__name__}")
    return cast("dict[str, Any]", data)


def _refuse(option: str, text: str, error: BaseException | None = None) -> NoReturn:
    raise DefinitionError.single("input", option, text) from error
