"""Which runs may be forgotten: whole trees whose last run ended long ago, asked in the same words by all who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TreesQuery", "prunable_trees"]

FIND_TREES: Final = """
SELECT id FROM runs AS top INDEXED BY runs_by_end
WHERE ended_at < :before AND parent IS NULL AND status IN ({statuses})
    AND NOT EXISTS (
        SELECT 1 FROM runs AS member
        WHERE member.root = top.id AND (member.ended_at IS NULL OR member.ended_at >= :before)
    )
ORDER BY ended_at LIMIT :most
"""


class TreesQuery(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: dict[str, Any]


def prunable_trees(before: int, statuses: Sequence[str], most: int = -1) -> TreesQuery:
    """Return the query of the runs at the top of trees that may go, the oldest first.

    Args:
        before: when the last run of a tree had ended, in microseconds since 1970.
        statuses: of the runs at the top.
        most: how many at most; -1: all.
    """
    names = {f"status{number}": status for number, status in enumerate(statuses)}
    sql = FIND_TREES.format(statuses=", ".join(f":{name}" for name in names))
    return TreesQuery(sql, {"before": before, "most": most, **names})
