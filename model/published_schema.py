"""The JSON Schema of definitions that is published, for editors and other programs: it takes what files may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from playbill.model.definition import PipelineDefinition

if TYPE_CHECKING:
    from pydantic_core.core_schema import StringSchema

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of a definition."""
    schema = PipelineDefinition.model_json_schema(schema_generator=_SchemaOfFiles)
    _take_both_spellings(schema["$defs"]["PipelineEdge"])
    return schema


class _SchemaOfFiles(GenerateJsonSchema):
    """Takes a number, true or false for any text: in a file it stands for what is written."""

    def str_schema(self, schema: StringSchema) -> dict[str, Any]:
        made = super().str_schema(schema)
        return made if "pattern" in made else made | {"type": ["string", "number", "boolean"]}


def _take_both_spellings(edge: dict[str, Any]) -> None:
    """Let edges say `from` or `from_node`, `to` or `to_node`."""
    del edge["required"]
    for end in ("from", "to"):
        edge["properties"][f"{end}_node"] = edge["properties"][end]
    edge["allOf"] = [{"anyOf": [{"required": [end]}, {"required": [f"{end}_node"]}]} for end in ("from", "to")]
