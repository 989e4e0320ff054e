"""Regular mistakes with JSON Schemas: what is one, and yet says nothing of what its author meant.

To JSON Schema a keyword that it does not know is a comment, and so is one that is not for the type beside it. Here
both are told when they look like a rule.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, cast

from playbill.model.diagnostics import list_names
from playbill.model.schema_parts import Schema, listed, named, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playbill.model.places import Location

__all__ = ["hint_at", "mistakes"]

NEAR: Final = 0.75
"""How much alike a word must be to a keyword to be taken for it; `markdownDescription` is none."""

_FOR: Final[dict[str, tuple[str, ...]]] = {
    "string": ("maxLength", "minLength", "pattern", "contentEncoding", "contentMediaType", "contentSchema"),
    "number": ("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    "array": (
        "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "prefixItems", "items",
        "additionalItems", "contains", "unevaluatedItems",
    ),
    "object": (
        "maxProperties", "minProperties", "required", "dependentRequired", "dependentSchemas", "properties",
        "patternProperties", "additionalProperties", "propertyNames", "unevaluatedProperties",
    ),
}  # fmt: skip
_ALWAYS: Final = (
    "$schema", "$id", "id", "$ref", "$anchor", "$defs", "definitions", "$comment", "$vocabulary", "$dynamicRef",
    "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "type", "enum", "const", "dependencies", "allOf", "anyOf",
    "oneOf", "not", "if", "then", "else", "title", "description", "default", "deprecated", "readOnly", "writeOnly",
    "examples", "format",
)  # fmt: skip
_ELSEWHERE: Final = frozenset({"example", "discriminator", "xml", "externalDocs"})
"""Of OpenAPI, and harmless."""
_COMMENTS: Final = frozenset({
    "$schema", "$id", "id", "$anchor", "$comment", "title", "description", "deprecated", "readOnly", "writeOnly",
    "examples",
})  # fmt: skip
"""What checks nothing: misspelt it does no harm."""
_LISTS: Final = frozenset({"enum", "allOf", "anyOf", "oneOf", "prefixItems"})
_BESIDE_OTHERS: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Schemas there may speak of properties that another one has."""
_TYPE_OF: Final = {keyword: kind for kind, keywords in _FOR.items() for keyword in keywords}
KEYWORDS: Final = (*_ALWAYS, *_TYPE_OF)
_SPELT_SO: Final = {keyword.lower(): keyword for keyword in KEYWORDS}
_INSTEAD: Final = {
    "min": "write `minimum`, or minLength or minItems",
    "max": "write `maximum`, or maxLength or maxItems",
    "regex": "write `pattern`",
    "choices": "write `enum`",
    "optional": "a name is optional unless `required: [...]` beside `properties` has it",
    "nullable": "write `type: [string, 'null']`",
}
_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
_TYPE_INSTEAD: Final = {
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number", "double": "number",
    "decimal": "number", "bool": "boolean", "dict": "object", "map": "object", "mapping": "object", "list": "array",
    "none": "null",
}  # fmt: skip


def mistakes(schema: Schema) -> Iterator[tuple[Location, str]]:
    """Give the places of what looks like a rule and is none, and say what to write."""
    for place, part in parts(schema):
        for keyword in part:
            if keyword not in KEYWORDS and (said := _no_keyword(keyword, part)):
                yield (*place, keyword), said
        yield from (((*place, keyword), said) for keyword, said in _without_effect(part))
        if _BESIDE_OTHERS.isdisjoint(place):
            yield from (((*place, "required", index), said) for index, said in _never_there(part))


def hint_at(location: Location, value: object) -> str:
    """Say what to write instead of a value that is wrong there by JSON Schema's own rules; empty: nobody knows."""
    match location, value:
        case (*_, str(name), "required"), bool() | str():
            return f": `required` is a list, beside `properties`: required: [{name if value is True else value}]"
        case ("required",), bool() | str():
            return ": `required` is a list of names"
        case (*_, "type"), str(kind):
            near = _TYPE_INSTEAD.get(kind.lower()) or next(iter(difflib.get_close_matches(kind, _TYPES)), None)
            return (f", did you mean '{near}'?" if near else "") + f"; types are: {list_names(_TYPES)}"
        case _:
            return ""


def _no_keyword(word: str, part: Schema) -> str:
    """Say what a word was meant to be; empty: it may be a comment."""
    value: object = part[word]
    if word in _ELSEWHERE or word.lower().startswith(("x-", "$")):
        return ""
    if word in _INSTEAD:
        return f"is not a keyword of JSON Schema, and changes nothing: {_INSTEAD[word]}"
    near = _SPELT_SO.get(word.replace("_", "").replace("-", "").lower()) or next(
        iter(difflib.get_close_matches(word, KEYWORDS, n=1, cutoff=NEAR)), None
    )
    if near and _may_be_meant(near, word, value):
        return f"is not a keyword of JSON Schema, and changes nothing: did you mean '{near}'?"
    if "properties" not in part and set(_types(part)) <= {"object"} and _is_schema(value):
        return f"is not a keyword of JSON Schema, and changes nothing: names stand under `properties`, '{word}' too"
    return ""


def _may_be_meant(keyword: str, word: str, value: object) -> bool:
    """Tell whether a value is what a keyword takes; a language behind it, as in `title_de`, makes it another word."""
    if keyword in _COMMENTS or word.lower().startswith((f"{keyword.lower()}_", f"{keyword.lower()}-")):
        return False
    if keyword in {"default", "const"}:
        return True
    if _TYPE_OF.get(keyword) == "number" or keyword.startswith(("max", "min")):
        return isinstance(value, int | float)
    if keyword in {"type", "pattern", "format", "$ref", "required"}:
        return isinstance(value, str | list | bool)
    return isinstance(value, list if keyword in _LISTS else dict | bool)


def _is_schema(value: object) -> bool:
    if not isinstance(value, dict):
        return value in _TYPES
    schema = cast("Schema", value)
    return "$ref" in schema or schema.get("type") in _TYPES


def _types(part: Schema) -> list[str]:
    kinds = [part["type"]] if isinstance(part.get("type"), str) else listed(part, "type")
    return ["number" if kind == "integer" else kind for kind in kinds if isinstance(kind, str)]


def _without_effect(part: Schema) -> Iterable[tuple[str, str]]:
    kinds = _types(part)
    for keyword in part if kinds and set(kinds) <= set(_TYPES) else ():
        if keyword in _TYPE_OF and _TYPE_OF[keyword] not in kinds:
            yield (
                keyword,
                f"changes nothing here: it is for {_TYPE_OF[keyword]}s, and the type is {' or '.join(kinds)}",
            )


def _never_there(part: Schema) -> Iterator[tuple[int, str]]:
    """Tell of required names that no property has, where one was meant or none is allowed."""
    known = [name for name, _ in named(part, "properties")]
    if not known or "patternProperties" in part:
        return
    for index, name in enumerate(listed(part, "required")):
        if not isinstance(name, str) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
        if near:
            yield index, f"requires '{name}', which is not under `properties`: did you mean '{near[0]}'?"
        elif part.get("additionalProperties") is False:
            yield index, f"requires '{name}', which additionalProperties forbids: properties are: {list_names(known)}"
