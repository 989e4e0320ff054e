"""What a manager can be told, as types for those who hand it on: so a slip is an error to a type checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.runners.secrets import Secret


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse an option that is not a whole number of at least `least`: with fewer somebody would wait for ever.

    Raises:
        TypeError: it is no int.
        ValueError: it is too small.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number of at least {least}, not {value!r} ({type(value).__name__})")
    if value < least:
        raise ValueError(f"{name} is at least {least}, not {value}; leave it out for the default")


def check_pools(max_processes: object, max_commands: object, max_orphans: object) -> None:
    """Refuse options of the pools under which no attempt could ever begin.

    Raises:
        TypeError: one is no int.
        ValueError: one is too small.
    """
    if max_processes is not None:
        check_count("max_processes", max_processes)
    check_count("max_commands", max_commands)
    check_count("max_orphans", max_orphans)


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
    max_commands: int


class ManagerOptions(SimulatedOptions, total=False):
    """The arguments of PipelineRunManager."""

    faults: FaultPlan | None


class StartOptions(TypedDict, total=False):
    """The arguments of PipelineRunManager.start_run beside definition and data."""

    run_id: str | None
    timeout_seconds: float | None
