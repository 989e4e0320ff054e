"""What a manager can be told, as types for those who hand it on: so a slip is an error to a type checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.runners.secrets import Secret

OnExit = Literal["cancel", "wait"]


class SimulatedOptions(TypedDict, total=False):
    """The arguments of a PipelineRunManager whose faults are its simulation's."""

    journal: Literal["memory"]
    resources: Mapping[str, Any] | None
    types: Iterable[Source] | None
    breakers: Mapping[str, BreakerPolicy] | None
    secrets: Mapping[str, Secret] | None
    grace: float
    kill_bound: float
    on_exit: OnExit
    keep_runs: int
    max_orphans: int
    watchdog_seconds: float | None
    watchdog_interrupts: bool
    max_processes: int | None


class ManagerOptions(SimulatedOptions, total=False):
    """The arguments of PipelineRunManager."""

    faults: FaultPlan | None


class StartOptions(TypedDict, total=False):
    """The arguments of PipelineRunManager.start_run beside definition and data."""

    run_id: str | None
    timeout_seconds: float | None
