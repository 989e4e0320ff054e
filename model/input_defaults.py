"""Fills in the defaults of a JSON Schema: those of properties that are missing, where the schema says it for sure.

Looked through are `$ref`, `allOf`, `properties`, `additionalProperties`, `items` and `prefixItems`; what stands in
`anyOf`, `oneOf`, `if` and their like holds only under a condition, and nothing of it is filled in.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from playbill.model.schema_parts import Schema, listed, named, parts, references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playbill.model.places import Location

__all__ = ["EndlessDefault", "fill_defaults", "never_filled"]

_UNUSED: Any = object()


class EndlessDefault(ValueError):
    """A default whose own defaults lead to it again."""


def fill_defaults(data: Any, schema: Schema, whole: Schema | None = None) -> None:
    """Set what is missing in data, in place, and within what is there.

    Args:
        data: What to look through.
        schema: What is said of it.
        whole: The schema of which that is a part, and in which its references lead; None: it is the whole.

    Raises:
        EndlessDefault: A default would be filled into itself for ever.
    """
    _Filler(dict(references(schema if whole is None else whole))).fill(data, [schema], frozenset())


def never_filled(schema: Schema) -> list[Location]:
    """Give the defaults that are never filled in: they stand under a condition, or are not of a property."""
    filler = _Filler(dict(references(schema)))
    reached = filler.reach(schema)
    return [(*place, "default") for place, part in parts(schema) if "default" in part and id(part) not in reached]


class _Filler:
    """Walks through data and what the schema says of it."""

    def __init__(self, references: dict[int, list[Any]]) -> None:
        self._references = references

    def fill(self, data: Any, schemas: Iterable[Any], within: frozenset[int]) -> None:
        """Set what is missing.

        Args:
            data: What to look through.
            schemas: What is said of it.
            within: The schemas whose defaults it is of.
        """
        said = [each for schema in schemas for each in self._for_sure(schema)]
        if isinstance(data, dict):
            self._fill_object(cast("dict[str, Any]", data), said, within)
        elif isinstance(data, list):
            for index, item in enumerate(cast("list[object]", data)):
                self.fill(item, [inner for schema in said for inner in _of_item(schema, index)], within)

    def reach(self, schema: Schema) -> set[int]:
        """Give the ids of the schemas whose defaults may be filled in: what is said for sure of a property."""
        found = set[int]()
        waiting = self._for_sure(schema)
        seen = {id(part) for part in waiting}
        for part in waiting:  # it grows
            properties = {id(inner) for _, inner in named(part, "properties")}
            for inner in _of_anything(part):
                said = self._for_sure(inner)
                found |= {id(each) for each in said} if id(inner) in properties else set()
                waiting += [each for each in said if id(each) not in seen]
                seen |= {id(each) for each in said}
        return found

    def _fill_object(self, data: dict[str, Any], said: list[Schema], within: frozenset[int]) -> None:
        about: dict[str, list[Any]] = {name: [] for name in data}
        for schema in said:
            properties = dict(named(schema, "properties"))
            for name in (*properties, *(name for name in data if name not in properties)):
                inner = properties.get(name, schema.get("additionalProperties") if _is_plain(schema) else None)
                about.setdefault(name, []).append(inner)
        for name, schemas in about.items():
            inside = within
            if name not in data:
                default, owner = self._default(schemas)
                if default is _UNUSED:
                    continue
                if owner in within:
                    raise EndlessDefault(f"the default of '{name}' is filled into itself for ever")
                data[name] = copy.deepcopy(default)
                inside = within | {owner}
            self.fill(data[name], schemas, inside)

    def _default(self, schemas: Iterable[Any]) -> tuple[Any, int]:
        """Give the first default, and the id of the schema that has it."""
        for schema in schemas:
            for each in self._for_sure(schema):
                if "default" in each:
                    return each["default"], id(each)
        return _UNUSED, 0

    def _for_sure(self, schema: Any) -> list[Schema]:
        """Give the schemas that hold whenever this one does, itself first."""
        found: list[Schema] = []
        waiting = [schema]
        for each in waiting:  # it grows
            if isinstance(each, dict) and not any(each is known for known in found):
                part = cast("Schema", each)
                found.append(part)
                waiting += [*self._references.get(id(part), ()), *listed(part, "allOf")]
        return found


def _is_plain(schema: Schema) -> bool:
    return "patternProperties" not in schema  # else it is not clear which names are additional


def _of_item(schema: Schema, index: int) -> Iterator[Any]:
    first = listed(schema, "prefixItems") or listed(schema, "items")
    if index < len(first):
        yield first[index]
    elif first and isinstance(schema.get("items"), list):
        yield schema.get("additionalItems")
    else:
        yield schema.get("items")


def _of_anything(schema: Schema) -> Iterator[Any]:
    """Give all that a schema says for sure of parts of a value."""
    yield from (inner for _, inner in named(schema, "properties"))
    yield from (*listed(schema, "prefixItems"), *listed(schema, "items"))
    yield from (schema.get("items"), schema.get("additionalItems"))
    if _is_plain(schema):
        yield schema.get("additionalProperties")
