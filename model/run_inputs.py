"""Checks what a run is started with against the `inputs` of its pipeline, and fills in the defaults."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from playbill.model.errors import DefinitionError, Problem
from playbill.model.input_defaults import EndlessDefault, fill_defaults
from playbill.model.input_schemas import schema_problems, validator_of, violations
from playbill.model.jsonable import why_not_json

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition

__all__ = ["check_trigger_data"]


def check_trigger_data(definition: PipelineDefinition, trigger_data: object) -> dict[str, Any]:
    """Give a copy of the trigger data with the schema's defaults filled in.

    Raises:
        DefinitionError: The data is not a mapping that JSON can say, or violates the schema; carries the violations.
    """
    if not isinstance(trigger_data, Mapping):
        kind = f"{type(trigger_data).__name__}: {trigger_data!r:.60}"
        raise _wrong(definition, [("trigger_data", f"trigger_data is a mapping of names to values, not {kind}")])
    data = dict(cast("Mapping[str, Any]", trigger_data))
    if why := why_not_json(data, "trigger_data"):
        raise _wrong(definition, [("trigger_data", why)])
    data = copy.deepcopy(data)
    schema = definition.inputs
    if schema is None:
        return data
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
    return data


def _wrong(definition: PipelineDefinition, found: list[tuple[str, str]]) -> DefinitionError:
    return DefinitionError(definition.name, [Problem("invalid-trigger-data", where, text) for where, text in found])
