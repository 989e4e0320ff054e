"""Checks what a run is started with against the `inputs` of its pipeline, and fills in the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playbill.model.errors import DefinitionError, Problem
from playbill.model.frozen import copied
from playbill.model.input_defaults import EndlessDefault, fill_defaults
from playbill.model.input_schemas import schema_problems, validator_of, violations
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.not_json import LONGEST_SHOWN
from playbill.model.plain_text import kind_of, repr_of
from playbill.model.sizes import MAX_BYTES, json_size
from playbill.model.wording import clip

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition

__all__ = ["check_trigger_data"]


def check_trigger_data(definition: PipelineDefinition, trigger_data: object) -> dict[str, Any]:
    """Give the trigger data as plain JSON (see jsonable.py), a copy, with the schema's defaults filled in.

    Raises:
        DefinitionError: The data is not a mapping that JSON can say, is larger than 1 MiB as JSON, or violates the
            schema; carries the violations.
    """
    plain = None
    try:
        plain = plain_json(trigger_data, "trigger_data")
    except NotJson as error:
        if error.steps or isinstance(trigger_data, Mapping):
            raise _wrong(definition, [("trigger_data", str(error))]) from error.__cause__
    if not isinstance(plain, dict):
        kind = f"{kind_of(trigger_data)}: {clip(repr_of(trigger_data), LONGEST_SHOWN)}"
        raise _wrong(definition, [("trigger_data", f"trigger_data is a mapping of names to values, not {kind}")])
    data: dict[str, Any] = copied(plain)  # what is frozen is not copied before
    if definition.inputs is not None:
        _check_by(definition.inputs, definition, data)
    if data and (size := json_size(data)) > MAX_BYTES:
        said = f"trigger_data is {size:,} bytes as JSON, over the limit of {MAX_BYTES:,}: hand over a reference"
        raise _wrong(definition, [("trigger_data", said)])
    return data


def _check_by(schema: dict[str, Any], definition: PipelineDefinition, data: dict[str, Any]) -> None:
    """Fill the defaults of a schema into the data, which is then as the schema wants it.

    Raises:
        DefinitionError: it is not; carries the violations.
    """
    try:
        validator = validator_of(schema)
    except ValueError:
        raise DefinitionError(definition.name, schema_problems(schema)) from None
    try:
        fill_defaults(data, schema)
    except EndlessDefault as error:
        raise _wrong(definition, [("trigger_data", f"trigger_data: {error}")]) from None
    if found := violations(validator, data, "trigger_data"):
        raise _wrong(definition, found)


def _wrong(definition: PipelineDefinition, found: list[tuple[str, str]]) -> DefinitionError:
    return DefinitionError(definition.name, [Problem("invalid-trigger-data", where, text) for where, text in found])
