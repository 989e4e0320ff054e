"""Short forms of a definition's edges: what a node says in `next` becomes edges behind those that are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.model.places import Location

__all__ = ["check_next", "expand_next", "where_written"]

NEXT_TYPE: Final = "next_type"
"""What pydantic's errors call a `next` of the wrong shape."""


def check_next(value: object) -> object:
    """Refuse what no edges can be made of; a field's validator."""
    if all(isinstance(target, str | dict) for target in _targets(value)):
        return value
    raise PydanticCustomError(NEXT_TYPE, "takes an id, an edge ({to: b, when: failure}) or a list of them")


def _may_have_next(node: Any) -> bool:
    return not isinstance(node, dict) or "next" in node


def expand_next(data: dict[str, Any]) -> dict[str, Any]:
    """Turn each node's `next` into edges; a wrong shape stays, for pydantic to complain about."""
    nodes, edges = data.get("nodes"), data.get("edges")
    edges = () if edges is None else edges
    if not isinstance(nodes, list | tuple) or not isinstance(edges, list | tuple):
        return data
    nodes, edges = cast("list[Any]", nodes), cast("list[Any]", edges)
    with_next = [node for node in nodes if _may_have_next(node)]  # few or none, mostly
    short = [edge for node in with_next if (after := _next_of(node)) for edge in _short_edges(node, after)]
    if not short:
        return data
    return {**data, "nodes": [_without_next(node) for node in nodes], "edges": [*edges, *short]}


def where_written(data: object, location: Location) -> Location:
    """Give where in a definition as it was written a location of the expanded one stands."""
    match location:
        case ("edges", int(index), *rest) if isinstance(data, dict):
            mapping = cast("dict[str, Any]", data)
            edges: object = mapping.get("edges")
            behind = index - (len(cast("list[object]", edges)) if isinstance(edges, list) else 0)
            origins = _origins(mapping) if behind >= 0 else []
            return (*origins[behind], *rest) if 0 <= behind < len(origins) else location
        case _:
            return location


def _origins(data: Mapping[str, Any]) -> list[Location]:
    found: list[Location] = []
    nodes = cast("list[Any]", data["nodes"]) if isinstance(data.get("nodes"), list) else []
    for index, node in enumerate(nodes):
        if isinstance(node, dict) and cast("dict[str, Any]", node).get("id") is not None:
            after = _next_of(node)
            targets = range(len(cast("list[object]", after))) if isinstance(after, list) else ()
            found += [("nodes", index, "next", number) for number in targets]
            if after is not None and not isinstance(after, list):
                found.append(("nodes", index, "next"))
    return found


def _targets(value: object) -> list[Any]:
    if value is None:
        return []
    return list(cast("Sequence[Any]", value)) if isinstance(value, list) else [value]


def _next_of(node: Any) -> Any:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).get("next")
    return getattr(node, "next", None)  # a node that was made in Python, or nothing of the kind


def _short_edges(node: Any, following: object) -> list[dict[str, Any]]:
    source = cast("dict[str, Any]", node).get("id") if isinstance(node, dict) else node.id
    targets = _targets(following)
    if not isinstance(source, str) or not all(isinstance(target, str | dict) for target in targets):
        return []
    return [{"from": source, **({"to": target} if isinstance(target, str) else target)} for target in targets]


def _without_next(node: Any) -> Any:
    following = _next_of(node)
    if not following or not _short_edges(node, following):
        return node
    if isinstance(node, dict):
        return {field: value for field, value in cast("dict[str, Any]", node).items() if field != "next"}
    return node.model_copy(update={"next": None})
