"""The board of a run that may have outlived a process: attempts that were lost are told apart from retries.

An attempt is lost in a crash (the run's next owner says so), or interrupted, as it was ended so that its run could be
left. Neither is charged to the node's retries; see model/past.py, rule 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbill.model.events import EventType
from playbill.runtime.reports.board import STATES, Board, NodeLine

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.model.progress import NodeProgress

__all__ = ["RunBoard", "RunLine"]


@dataclass(slots=True)
class RunLine(NodeLine):
    """One node, and which of its attempts were lost."""

    crashed: int = 0
    """So many attempts in crashes."""
    interrupted: int = 0
    """So many as the run was left."""
    followed: int = 0
    """So many of both that another attempt came after."""

    def take(self, event: Event) -> None:
        """Go on by an event of the node."""
        NodeLine.take(self, event)
        if event.type is EventType.PIPELINE_NODE_INTERRUPTED:
            self.interrupted += 1
        elif event.type is EventType.PIPELINE_NODE_STARTED:
            self.followed = self.crashed + self.interrupted

    def words(self, now: datetime, encoding: str = "utf-8") -> tuple[str, str, str, str]:
        """Return the line as words: node, duration, retries, note."""
        node, duration, retries, note = NodeLine.words(self, now, encoding)
        if self.followed:
            count = self.attempts - 1 - self.followed
            retries = f"{count} retr{'y' if count == 1 else 'ies'}" if count > 0 else ""
        return node, duration, retries, "; ".join(filter(None, [*self._lost(), note]))

    def _lost(self) -> list[str]:
        told = (
            (self.crashed, "lost in a crash", "lost in crashes"),
            (self.interrupted, "interrupted", "interrupted"),
        )
        return [
            f"{count} attempt{'' if count == 1 else 's'} {one if count == 1 else several}"
            for count, one, several in told
            if count and not (one == "interrupted" and self.state == one and count == 1)
        ]


@dataclass
class RunBoard(Board):
    """All nodes of a run, as Board draws them."""

    is_parked: bool = False
    """Whether its last owner left it in good order."""

    def take(self, item: Event | NodeProgress) -> NodeLine | None:
        """Go on by an event, or by progress; return its node's line, if it is about a node's state."""
        if item.type is EventType.PIPELINE_RUN_PARKED:
            self.is_parked = True
        elif item.type is EventType.PIPELINE_RUN_RECOVERED:
            for node in item.data["attempts"]:
                self._lose(node)
            self.is_parked = False
        elif item.type in STATES and item.node_id is not None:
            self.lines.setdefault(item.node_id, RunLine(item.node_id))
        return super().take(item)

    def _lose(self, node: str) -> None:
        """Count an attempt that was running as its run lost its owner."""
        line = self.lines.get(node)
        if isinstance(line, RunLine):
            line.crashed += not self.is_parked
            line.interrupted += self.is_parked
