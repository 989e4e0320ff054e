"""Why runs failed or timed out: how often which node with which error and one of the messages, or at work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from playbill.model.facts import NodeStatus, RunStatus, Stopped

if TYPE_CHECKING:
    from playbill.model.facts import Cause
    from playbill.model.results import RunResult

__all__ = ["Causes", "FailureCause", "Stalled", "stalled_of"]

Stalled = tuple[str, str]
"""A node, and what it did as a run timed out: it was `running` or `waiting`."""


def stalled_of(result: RunResult) -> tuple[Stalled, ...]:
    """Return what a run that timed out was stopped in; nothing of other runs."""
    if result.status is not RunStatus.TIMEOUT:
        return ()
    stopped = [node for node in result.node_results.values() if node.status is NodeStatus.CANCELLED]
    idle = [node.receipt is None or node.receipt.how is Stopped.NOT_STARTED for node in stopped]
    return tuple((node.node_id, "waiting" if waits else "running") for node, waits in zip(stopped, idle, strict=True))


@dataclass(slots=True)
class FailureCause:
    """What made runs fail."""

    node: str
    """Empty: it was none."""
    type: str
    """The error's class."""
    message: str
    """Of the first seed that had it."""
    seed: int
    """That seed."""
    count: int = 1

    def __str__(self) -> str:
        error = f"{self.type}: {self.message}" if self.message else self.type
        named = not self.node or self.message.startswith(f"node '{self.node}'")
        return error if named else f"node '{self.node}': {error}"


class Causes:
    """Counts causes; whatever the order they come in, each has the message of its lowest seed."""

    def __init__(self) -> None:
        self._by_kind: dict[tuple[str, str], FailureCause] = {}

    def add(self, cause: Cause | None, seed: int) -> None:
        """Count why the run of a seed failed, if it did."""
        if cause is not None and cause.error is not None:
            self._take(FailureCause(cause.node, cause.error.type, cause.error.message, seed))

    def merge(self, other: Causes) -> None:
        """Count what another process has counted."""
        for cause in other._by_kind.values():
            self._take(cause)

    def _take(self, cause: FailureCause) -> None:
        key = (cause.node, cause.type)
        known = self._by_kind.get(key)
        if known is None:
            self._by_kind[key] = replace(cause)
            return
        known.count += cause.count
        if cause.seed < known.seed:
            known.seed, known.message = cause.seed, cause.message

    def most_common(self) -> list[FailureCause]:
        """Return the causes, the most common first."""
        return sorted(self._by_kind.values(), key=lambda cause: (-cause.count, cause.node, cause.type))
