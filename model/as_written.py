"""Numbers, true and false of a definition's text: where text belongs they are what is written there.

`draft` looks at what every definition has. The configs of nodes need more: their types.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast, get_args

from playbill.model.diagnostics import path_of
from playbill.model.drafts import placed
from playbill.model.errors import Problem
from playbill.model.input_schemas import unused_defaults
from playbill.model.written import with_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition
    from playbill.model.places import Location

__all__ = ["take_texts", "warnings_of"]


def take_texts(definition: PipelineDefinition, catalog: Catalog) -> PipelineDefinition:
    """Give a definition with the texts as they are written, in configs; itself if nothing differs."""
    if definition.written.root is None:
        return definition
    nodes = [
        node.with_config(config) if (config := _config(definition, index, catalog)) is not node.config else node
        for index, node in enumerate(definition.nodes)
    ]
    unchanged = all(new is old for new, old in zip(nodes, definition.nodes, strict=True))
    return definition if unchanged else definition.model_copy(update={"nodes": nodes})


def _config(definition: PipelineDefinition, index: int, catalog: Catalog) -> dict[str, Any]:
    config = definition.nodes[index].config
    node_type = catalog.get(definition.nodes[index].type)
    if node_type is None or not config:
        return config
    return with_texts(config, ("nodes", index, "config"), node_type.texts_expected, definition.written)


def warnings_of(definition: PipelineDefinition, catalog: Catalog) -> list[Problem]:
    """Tell what may not be what its author meant, and yet is no error.

    These are numbers that would not be written again as they are, in fields of configs that hold anything (`1.10` is
    the number 1.1, and only its author knows whether it was one), and defaults of `inputs` that are never filled in.
    """
    return placed([*_lost(definition, catalog), *unused_defaults(definition.inputs or {})], definition.written)


def _lost(definition: PipelineDefinition, catalog: Catalog) -> Iterator[Problem]:
    root = definition.written.root
    if root is None:
        return
    for index, node in enumerate(definition.nodes):
        node_type = catalog.get(node.type)
        free = [field for field in node.config if node_type and _is_free(node_type.worker(node).config, field)]
        for field in free:
            for location, value in _numbers(node.config[field], ("nodes", index, "config", field)):
                place, way = root.at(location)
                if way == location and place.written is not None and json.dumps(value) != place.written:
                    path = path_of(location[2:])
                    said = f"{place.written} is read as the number {value}: put it in quotes if it is text"
                    yield Problem("number-rewritten", path_of(location), f"node '{node.id}': {path}: {said}")


def _is_free(config: type[BaseModel], field: str) -> bool:
    """Tell whether a field may hold anything: then nobody says whether it is a number or text."""
    known = config.model_fields
    declared = next((each for name, each in known.items() if field in (name, each.validation_alias)), None)
    return declared is None or _has_any(declared.annotation)


def _has_any(annotation: Any) -> bool:
    return annotation is Any or any(_has_any(part) for part in get_args(annotation))


def _numbers(value: Any, location: Location) -> Iterator[tuple[Location, float]]:
    """Give every number in a value, with its place."""
    waiting: list[tuple[Location, Any]] = [(location, value)]
    for where, each in waiting:  # it grows
        if isinstance(each, dict):
            waiting += [((*where, key), item) for key, item in cast("Mapping[str, Any]", each).items()]
        elif isinstance(each, list):
            waiting += [((*where, index), item) for index, item in enumerate(cast("list[object]", each))]
        elif isinstance(each, int | float) and not isinstance(each, bool):
            yield where, each
