"""Checks what a run is started with against the `inputs` of its pipeline, and fills in the defaults."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from playbill.model.diagnostics import path_of
from playbill.model.errors import DefinitionError, Problem
from playbill.model.jsonable import why_not_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.definition import PipelineDefinition

__all__ = ["check_trigger_data", "schema_problems"]


def check_trigger_data(definition: PipelineDefinition, trigger_data: Mapping[str, Any]) -> dict[str, Any]:
    """Give a copy of the trigger data with the schema's defaults filled in.

    Raises:
        DefinitionError: The data is nothing that JSON can say, or violates the schema; carries every violation.
    """
    if why := why_not_json(dict(trigger_data), "trigger_data"):
        raise DefinitionError(definition.name, [Problem("invalid-trigger-data", "trigger_data", why)])
    data = copy.deepcopy(dict(trigger_data))
    schema = definition.inputs
    if schema is None:
        return data
    _fill(data, schema)
    import jsonschema  # noqa: PLC0415 - many pipelines have no schema, and it takes 50 ms
    import referencing.exceptions  # noqa: PLC0415 - comes with it

    try:
        validator = cast("Any", jsonschema.Draft202012Validator(schema))  # its stubs are only half typed
        errors = sorted(validator.iter_errors(data), key=lambda error: str(error.json_path))
    except referencing.exceptions.Unresolvable as error:
        text = f"inputs refers to an unknown schema: {error}"
        raise DefinitionError.single("invalid-schema", "inputs", text) from None
    if errors:
        raise DefinitionError(definition.name, (_problem(tuple(e.absolute_path), e.message) for e in errors))
    return data


def schema_problems(schema: Mapping[str, Any]) -> list[Problem]:
    """Tell what keeps a pipeline's `inputs` from being a JSON Schema (draft 2020-12)."""
    import jsonschema  # noqa: PLC0415 - see check_trigger_data

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = path_of(tuple(error.absolute_path), "inputs")
        return [Problem("invalid-schema", where, f"{where} is not a JSON Schema: {error.message}")]
    return []


def _problem(location: tuple[str | int, ...], message: str) -> Problem:
    where = path_of(location, "trigger_data")
    return Problem("invalid-trigger-data", where, f"{where}: {message}")


def _fill(data: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Set the defaults of missing properties, and within the objects that are there."""
    properties = cast("dict[str, dict[str, Any] | bool]", schema.get("properties") or {})
    for name, inner in properties.items():
        if not isinstance(inner, dict):  # `true` is a schema, too
            continue
        if name not in data and "default" in inner:
            data[name] = copy.deepcopy(inner["default"])
        if isinstance(data.get(name), dict):
            _fill(data[name], inner)
