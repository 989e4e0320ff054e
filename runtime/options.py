"""What a manager can be told, as one type for those who hand it on: so a slip is an error to a type checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.faults.plan import FaultPlan

OnExit = Literal["cancel", "wait"]


class ManagerOptions(TypedDict, total=False):
    """The arguments of PipelineRunManager, for those who hand them on."""

    journal: Literal["memory"]
    resources: Mapping[str, Any] | None
    types: Iterable[Source] | None
    breakers: Mapping[str, BreakerPolicy] | None
    secrets: Mapping[str, str] | None
    grace: float
    kill_bound: float
    on_exit: OnExit
    keep_runs: int
    faults: FaultPlan | None
    max_orphans: int
    watchdog_seconds: float | None
    watchdog_interrupts: bool
    max_processes: int | None
