"""Where a run stands, in words: for who waits for it, and waits too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.diagnostics import list_names

if TYPE_CHECKING:
    from playbill.runtime.run import Run

__all__ = ["standing_of"]

SHOWN_NODES: Final = 10
"""Of each state, when it is told where a run stands."""


def standing_of(run: Run) -> str:
    """Tell where a run stands, for people: which of its nodes are in which state; from any thread."""
    nodes: dict[str, list[str]] = {}
    for node, actor in run.actor.nodes.copy().items():
        nodes.setdefault(str(actor.machine.state).replace("_", " "), []).append(node)
    states = [f"{state}: {list_names(names, SHOWN_NODES)}" for state, names in nodes.items()]
    if run.is_paused:
        states.insert(0, "it is paused")
    return "; ".join(states) or f"it is {run.status}"
