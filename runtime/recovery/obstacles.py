"""What keeps a run from going on here, though all of it can be read: other handlers, or crashes again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import JournalError
from playbill.model.handler_versions import compare_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.handler_versions import HandlerVersion
    from playbill.model.past import Past
    from playbill.runtime.definitions.compiler import CompiledPipeline

__all__ = ["MAX_CRASHES", "changes_since", "check_crashes"]

MAX_CRASHES: Final = 10
"""In so many crashes in a row a node may be running until its run is set aside: it or a neighbour is the culprit."""


def changes_since(first: Mapping[str, Any], compiled: CompiledPipeline) -> Mapping[str, HandlerVersion]:
    """Return what the versions of those handlers are now that have changed since a run began.

    Raises:
        JournalError: one is gone, or is of a version that cannot go on with the run.
    """
    recorded = cast("Mapping[str, HandlerVersion]", first.get("handlers") or {})
    changes = compare_versions(recorded, compiled.versions)
    if changes.sets_aside:
        raise JournalError("; ".join(changes.reasons))
    return {name: compiled.versions[name] for name in changes.sources}


def check_crashes(past: Past) -> None:
    """Refuse a run in which a node was running in too many crashes.

    Raises:
        JournalError: it was; names it.
    """
    for node in past.cut_off:
        if past.crashes[node] + 1 >= MAX_CRASHES:
            text = f"node '{node}' was running in {MAX_CRASHES} crashes in a row: look what ends the process"
            raise JournalError(text)
