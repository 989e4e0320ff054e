"""What a handler says of its progress: news for who listens right now, and no fact that a journal keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any, ClassVar, Final, Literal, cast

from playbill.model.facts import Value

__all__ = ["NodeProgress"]

PROGRESS: Final = "pipeline_node.progress"


class NodeProgress(Value):
    """What attempt `attempt` of a node said with its last heartbeat; shaped like an event, without a seq."""

    stream: str
    """The run's id."""
    at: datetime
    node_id: str
    attempt: int
    progress: Any
    """What the handler handed to `context.heartbeat`."""
    type: ClassVar[Literal["pipeline_node.progress"]] = PROGRESS
    seq: ClassVar[None] = None
    """It is in no journal, so it has none."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The progress, where events have their data."""
        return {"progress": self.progress}

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1: a number says it, or a mapping of `done` and `of`; else None."""
        said = self.progress
        if not isinstance(said, Mapping):
            number = _number(said)
            return number if number is not None and 0 <= number <= 1 else None
        counts = cast("Mapping[str, object]", said)
        done, whole = _number(counts.get("done")), _number(counts.get("of"))
        return None if done is None or whole is None or whole <= 0 else max(0.0, min(1.0, done / whole))


def _number(said: object) -> float | None:
    """Return a number; None: it is none, or none that can be drawn."""
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    try:
        number = float(said)
    except OverflowError:
        return None
    return number if isfinite(number) else None
