"""An exploration in words: why runs failed, what of the pipeline was reached, and what that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.wording import clip
from playbill.runtime.simulation.outcomes.reached import BEGAN, COMPLETED, FATES, STOPPED

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from playbill.runtime.simulation.outcomes.causes import FailureCause, Stalled
    from playbill.runtime.simulation.outcomes.reached import Mark, Outline

__all__ = [
    "Row",
    "describe_causes",
    "describe_counts",
    "describe_idle",
    "describe_number",
    "describe_reached",
    "describe_stalled",
    "warn_of_none_completed",
]

Row = tuple[str, str]
"""A label, empty where the one above goes on, and what it says."""
MAX_CAUSES: Final = 5
MAX_NAMES: Final = 8
LONGEST_CAUSE: Final = 100
"""Characters of a cause, its message included."""
WAY_OUT: Final = (
    "give the runs what they lack (--input), declare what handlers do (`behaviours:` in a plan), or let fewer faults"
    " happen"
)
MORE_TIME: Final = (
    "give the pipeline a longer `timeout`, declare how long handlers take (`behaviours:` in a plan), or let fewer"
    " faults happen"
)


def describe_number(count: int, unit: str = "seed") -> str:
    """Return how many there are of what can be counted."""
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def describe_counts(counts: Counter[str]) -> str:
    """Return what was counted, the most common first."""
    return "  ".join(f"{name} {count:,}" for name, count in counts.most_common())


def describe_causes(causes: Sequence[FailureCause]) -> Iterator[Row]:
    """Yield why runs failed, the most common cause first."""
    digits = len(f"{causes[0].count:,}") if causes else 0
    for place, cause in enumerate(causes[:MAX_CAUSES]):
        text = clip(" ".join(str(cause).split()), LONGEST_CAUSE)
        yield "" if place else "failed", f"{cause.count:>{digits},}  {text}"
    if more := causes[MAX_CAUSES:]:
        yield "", f"{sum(cause.count for cause in more):>{digits},}  by {len(more)} more causes"


def describe_stalled(stalled: Counter[Stalled]) -> Iterator[Row]:
    """Yield in which nodes runs were as they timed out, the most common first; a run may have been in several."""
    ordered = sorted(stalled.items(), key=lambda item: (-item[1], item[0]))
    digits = len(f"{ordered[0][1]:,}") if ordered else 0
    for place, ((node, doing), count) in enumerate(ordered[:MAX_CAUSES]):
        yield "" if place else "timeout", f"{count:>{digits},}  as node '{node}' was {doing}"
    if more := ordered[MAX_CAUSES:]:
        yield "", f"{'':>{digits}}  and {len(more)} more"


def describe_reached(outline: Outline, reached: AbstractSet[Mark], within: str = "") -> Iterator[Row]:
    """Yield how much of a pipeline was reached, and what of it never was; `within` says in how little."""
    idle = outline.without(BEGAN, reached)
    unfinished = [node for node in outline.without(COMPLETED, reached) if node not in idle]
    completed = len(outline.nodes) - len(idle) - len(unfinished)
    dead = outline.dead_edges(reached)
    text = f"{completed} of {len(outline.nodes)} nodes completed"
    if outline.edges:
        text += f" and {len(outline.edges) - len(dead)} of {len(outline.edges)} edges were live"
    yield "coverage", f"{text} in some run"
    reachable = [edge for edge in dead if edge.split("->")[0] not in idle]
    never = {"began": idle, "completed": unfinished, "live": reachable}
    lines = [f"{what}: {_some(names)}" for what, names in never.items() if names]
    lines += _describe_fates(outline, reached, idle)
    yield from (("" if place else "never", f"{line}{within}") for place, line in enumerate(lines))


def _describe_fates(outline: Outline, reached: AbstractSet[Mark], idle: list[str]) -> Iterator[str]:
    """Yield who never failed, was never retried...; those that nobody was in one line."""
    nobody: list[str] = []
    for fate in FATES:
        name = "stopped while running" if fate is STOPPED else fate
        if outline.spares_all(fate, reached):
            nobody += [name] if outline.fates[fate] else []
        elif names := [node for node in outline.without(fate, reached) if node not in idle]:
            yield f"{name}: {_some(names)}"
    if nobody:
        yield f"{', '.join(nobody)}: any node"


def describe_idle(unheld: Iterable[str], unjudged: Iterable[str], within: str = "") -> Iterator[Row]:
    """Yield the properties that say nothing: those that never held, and those that no event came for."""
    yield from (("never held", f"'{name}'{within}") for name in unheld)
    yield from (("not judged", f"'{name}': no event that it looks at came{within}") for name in unjudged)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def warn_of_none_completed(
    outline: Outline, reached: AbstractSet[Mark], causes: Sequence[FailureCause], stalled: Counter[Stalled]
) -> str:
    """Say what an exploration is worth in which no run completed, and what to do about it."""
    idle = outline.without(BEGAN, reached)
    nodes = [cause.node for cause in causes] or [node for (node, _), _ in stalled.most_common()]
    blamed = [node for node in nodes if node and (node, COMPLETED) not in reached]
    ends = " or ".join(["failed"] * bool(causes or not stalled) + ["ran out of time"] * bool(stalled))
    if not idle:
        lost = f"only ends that {ends} were simulated"
    elif blamed:
        lost = f"what comes after '{blamed[0]}' was never simulated"
    else:
        lost = f"{_some(idle)} never began"
    return f"no run completed: {lost}; {WAY_OUT if causes or not stalled else MORE_TIME}"
