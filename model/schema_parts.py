"""The schemas in a JSON Schema: where they are, and where its references lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playbill.model.places import Location

__all__ = ["Schema", "listed", "named", "of_parts", "of_same_value", "parts", "pointer_of", "references"]

Schema: TypeAlias = dict[str, Any]

_OF_ONE: Final = ("not", "if", "then", "else")
_OF_MANY: Final = ("allOf", "anyOf", "oneOf")
_OF_PARTS: Final = (
    "additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems", "contains",
    "additionalItems", "contentSchema",
)  # fmt: skip
_LISTS_OF_PARTS: Final = ("prefixItems", "items")
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions")


def parts(schema: Any, location: Location = ()) -> Iterator[tuple[Location, Schema]]:
    """Give every schema in a schema, itself first, with its place."""
    found: list[tuple[Location, Any]] = [(location, schema)]
    for place, part in found:  # it grows
        if isinstance(part, dict):
            schema = cast("Schema", part)
            yield place, schema
            found += [((*place, *steps), inner) for steps, inner in (*of_same_value(schema), *of_parts(schema))]


def of_same_value(schema: Schema) -> Iterator[tuple[Location, Any]]:
    """Give the schemas that are asked about the same value."""
    yield from (((key,), schema.get(key)) for key in _OF_ONE)
    yield from (((key, index), inner) for key in _OF_MANY for index, inner in enumerate(listed(schema, key)))
    yield from ((("dependentSchemas", name), inner) for name, inner in named(schema, "dependentSchemas"))


def of_parts(schema: Schema) -> Iterator[tuple[Location, Any]]:
    """Give the schemas that are asked about parts of the value, or by nobody yet."""
    yield from (((key,), schema.get(key)) for key in _OF_PARTS)
    yield from (((key, index), inner) for key in _LISTS_OF_PARTS for index, inner in enumerate(listed(schema, key)))
    yield from (((key, name), inner) for key in _BY_NAME for name, inner in named(schema, key))


# Older drafts know some of these keywords not, so they may hold anything there.
def listed(schema: Schema, key: str) -> list[Any]:
    """Give the list that a keyword has, an empty one if it has another thing."""
    value: object = schema.get(key)
    return cast("list[object]", value) if isinstance(value, list) else []


def named(schema: Schema, key: str) -> Iterable[tuple[str, Any]]:
    """Give the items of the mapping that a keyword has, none if it has another thing."""
    value: object = schema.get(key)
    return cast("Schema", value).items() if isinstance(value, dict) else ()


def references(schema: Schema) -> Iterator[tuple[int, list[Any]]]:
    """Give, by the id of each schema that has some, the schemas that its references lead to."""
    found = dict(parts(schema))
    anchors = {
        f"#{part[key]}": part for part in found.values() for key in ("$anchor", "$dynamicAnchor") if key in part
    }
    known = anchors | {f"#{pointer_of(place)}": part for place, part in found.items()}
    for part in found.values():
        to = [part[key] for key in ("$ref", "$dynamicRef", "$recursiveRef") if isinstance(part.get(key), str)]
        yield id(part), [known.get(each) for each in to]


def pointer_of(location: Location) -> str:
    """Write a place as a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
