"""What becomes of runs that had not ended: they go on, or are set aside."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TakenUp"]


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What became of the runs that had not ended when a manager was first used."""

    runs: list[str] = field(default_factory=list[str])
    """Those that go on, by id, the oldest first; of a cautious recovery first those of which nothing was running."""
    set_aside: dict[str, str] = field(default_factory=dict[str, str])
    """Why others do not, by id."""
    cautious: bool = False
    """Whether those that were running went on one at a time, since the process had crashed again and again."""
