"""The versions of events, and what leads from an older one to today's: events that are kept are never rewritten.

Rules:

1. What an event says changes only with a new version of its type, and a pure function from the version before it.
2. Whoever reads an event gets today's; a version that is newer than today's is refused, and so is what was never one.
3. Events without a version are of the first: playbill 0.1 wrote none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FIRST", "UPCASTERS", "upcast", "version_of"]

FIRST: Final = 1


def _completed_names_whose_outputs_it_passes_on(event: dict[str, Any]) -> dict[str, Any]:
    """Lead `pipeline_node.completed` from 1 to 2: in 1 a transparent node repeated the outputs that it passes on."""
    data, node = cast("object", event["data"]), event.get("node_id")
    if not isinstance(data, dict):
        return event
    data = cast("dict[str, Any]", data)
    if not isinstance(carried := data.get("carried"), dict):
        return event
    carried = cast("dict[str, Any]", carried)
    rest = {name: item for name, item in data.items() if name != "carried" and (name != "output" or node in carried)}
    return {**event, "data": {**rest, "passed_on": [source for source in carried if source != node]}}


UPCASTERS: Final[Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {
    ("pipeline_node.completed", 1): _completed_names_whose_outputs_it_passes_on,
}
"""By type and version: what makes of an event, a mapping as JSON has it and left as it is, the next version."""
_NEWEST: Final = {kind: max(version for name, version in UPCASTERS if name == kind) + 1 for kind, _ in UPCASTERS}


def version_of(kind: str) -> int:
    """Return today's version of a type of events."""
    return _NEWEST.get(kind, FIRST)


def upcast(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event, a mapping as JSON has it with `type` and `data`, as today's version says it.

    Raises:
        ValueError: it has no version, or one that is newer than today's.
    """
    kind, version = event.get("type"), event.get("version", FIRST)
    if type(version) is not int or version < FIRST:
        raise ValueError(f"version: is {version!r:.60}, and takes a number from 1 on")
    if not isinstance(kind, str):
        return event  # whoever reads its type says so
    if version > version_of(kind):
        raise ValueError(
            f"version: {kind} {version} was written by a newer playbill, this one reads versions up to"
            f" {version_of(kind)}: upgrade it"
        )
    for number in range(version, version_of(kind)):
        event = UPCASTERS[kind, number](event)
    return {**event, "version": version_of(kind)}
