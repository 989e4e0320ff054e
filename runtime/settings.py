"""What a manager was told of its actors and their world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.runners.program_pool import MAX_COMMANDS
from playbill.runtime.runners.thread_pool import MAX_ORPHANS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.secrets import Secret

__all__ = ["SystemSettings"]


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """What a manager's actors may use, and how long they are patient."""

    resources: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(repr=False)
    policies: Mapping[str, BreakerPolicy]
    """Of breakers, by key."""
    faults: FaultPlan | None = None
    journal: str = MEMORY
    """Where events are kept: in memory, or in the file of this URL."""
    recovers: bool = True
    """Whether breakers come back that its journal has."""
    max_orphans: int = MAX_ORPHANS
    """Abandoned attempts in threads until no new one may begin."""
    watchdog_seconds: float | None = 1.0
    """For how long the loop may be blocked before somebody says so; None: nobody looks."""
    watchdog_interrupts: bool = False
    """Whether what blocks the loop is interrupted."""
    max_processes: int | None = None
    """Handlers in processes at once; None: twice the processors."""
    max_commands: int = MAX_COMMANDS
    """Commands at once."""
    simulate_agents: bool = False
    """Whether agents are simulated where none are registered; in a simulated world they always are."""
