"""The versions of the handlers that a pipeline uses: what a run that outlives its process notes of them."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from playbill.model.handler_versions import UNVERSIONED, DeclaredVersion, HandlerVersion
from playbill.runtime.definitions.handler_source import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playbill.model.catalog import ActionType, Catalog, NodeType
    from playbill.model.definition import PipelineDefinition

__all__ = ["handler_versions", "our_version"]

ACTION: Final = "action:"
PYTHON: Final = "python:"
TYPE: Final = "type:"
"""Before the name of a type that begins like one of these: no two handlers have one key."""


def handler_versions(
    definition: PipelineDefinition, catalog: Catalog, calls: Mapping[str, Callable[..., object]]
) -> dict[str, HandlerVersion]:
    """Return the versions of all that does the work of a pipeline, sorted by key.

    A node type has its name for a key, an action `action:NAME`, a function that python nodes call
    `python:module:function`.

    Args:
        definition: one without problems.
        catalog: the types of its nodes.
        calls: the functions of its python nodes, by the `call` that names them.
    """
    found = dict(_of_types(definition, catalog))
    for call, function in calls.items():
        found[f"{PYTHON}{call}"] = _version(function, UNVERSIONED)
    return dict(sorted(found.items()))


def _of_types(definition: PipelineDefinition, catalog: Catalog) -> Iterator[tuple[str, HandlerVersion]]:
    seen: set[tuple[str, str]] = set()
    for node in definition.nodes:
        node_type = catalog.get(node.type)
        if node_type is None:
            continue
        chosen = node_type.worker(node)
        key = (node.type, "" if chosen is node_type else chosen.name)
        if key not in seen:
            seen.add(key)
            yield _key_of(node_type, chosen), _version(chosen.handler, chosen.declared)


def _key_of(node_type: NodeType, chosen: NodeType | ActionType) -> str:
    if chosen is not node_type:
        return f"{ACTION}{chosen.name}"
    return f"{TYPE}{node_type.name}" if node_type.name.startswith((ACTION, PYTHON, TYPE)) else node_type.name


def _version(handler: Callable[..., Any] | None, declared: DeclaredVersion) -> HandlerVersion:
    is_ours = handler is None or str(getattr(handler, "__module__", "")).startswith("playbill.")
    source = f"playbill {our_version()}".rstrip() if handler is None or is_ours else source_of(handler)
    return HandlerVersion(version=declared.version, source=source, accepts=list(declared.accepts))


@cache
def our_version() -> str:
    """Return playbill's own version; empty: it runs from a folder."""
    try:
        return metadata.version("playbill")
    except metadata.PackageNotFoundError:
        return ""
