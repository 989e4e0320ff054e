"""playbill runs pipelines as actors: what it is told to stop it stops, and proves it.

Each public name is imported when it is first used: `import playbill` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playbill.model.definition import (
        PipelineDefinition,
        PipelineEdge,
        PipelineNode,
        parse_pipeline_definition,
    )
    from playbill.model.errors import (
        AttemptTimedOut,
        CircuitOpen,
        DefinitionError,
        HandlerKilled,
        InternalError,
        JournalError,
        NodeConfigError,
        NodeError,
        NodeExecutionError,
        PlaybillError,
        Problem,
        RunCancelled,
        RunError,
        RunFailed,
        RunParked,
        RunSetAside,
        RunTimedOut,
        UnknownRun,
    )
    from playbill.model.events import Event, EventType
    from playbill.model.facts import NodeStatus, Origin, Receipt, RunStatus, Stopped
    from playbill.model.machines.circuit_state import CircuitState
    from playbill.model.policies import BreakerPolicy, LimitsPolicy, RetryPolicy
    from playbill.model.progress import NodeProgress
    from playbill.model.results import NodeExecutionResult, RunResult
    from playbill.model.validation import get_execution_order
    from playbill.runtime.definitions.discovery import action, node_type
    from playbill.runtime.definitions.files import load, validate_pipeline_dag
    from playbill.runtime.embedded.blocking import BlockingManager
    from playbill.runtime.embedded.blocking_run import BlockingRun
    from playbill.runtime.embedded.circuit_breaker import CircuitBreaker
    from playbill.runtime.embedded.dispatch_node import dispatch_node
    from playbill.runtime.embedded.executor import PipelineExecutor
    from playbill.runtime.embedded.run_once import run
    from playbill.runtime.embedded.shared_manager import get_run_manager
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.manager import PipelineRunManager
    from playbill.runtime.recovery.taken_up import TakenUp
    from playbill.runtime.run import Run
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.simulation.checks.properties import Always, Eventually, LeadsTo, Sometimes
    from playbill.runtime.simulation.crashes import explore_crashes
    from playbill.runtime.simulation.explore import explore
    from playbill.runtime.simulation.simulation import Simulation
    from playbill.runtime.simulation.study import Study

__all__ = [
    "Always",
    "AttemptTimedOut",
    "Behaviour",
    "BlockingManager",
    "BlockingRun",
    "BreakerPolicy",
    "CircuitBreaker",
    "CircuitOpen",
    "CircuitState",
    "DefinitionError",
    "Event",
    "EventType",
    "Eventually",
    "FaultPlan",
    "HandlerKilled",
    "InternalError",
    "JournalError",
    "LeadsTo",
    "LimitsPolicy",
    "LogLine",
    "NodeConfigError",
    "NodeContext",
    "NodeError",
    "NodeExecutionError",
    "NodeExecutionResult",
    "NodeProgress",
    "NodeStatus",
    "Origin",
    "PipelineDefinition",
    "PipelineEdge",
    "PipelineExecutor",
    "PipelineNode",
    "PipelineRunManager",
    "PlaybillError",
    "Problem",
    "Receipt",
    "RetryPolicy",
    "Run",
    "RunCancelled",
    "RunError",
    "RunFailed",
    "RunParked",
    "RunResult",
    "RunSetAside",
    "RunStatus",
    "RunTimedOut",
    "Simulation",
    "Sometimes",
    "Stopped",
    "Study",
    "TakenUp",
    "UnknownRun",
    "action",
    "dispatch_node",
    "explore",
    "explore_crashes",
    "get_execution_order",
    "get_run_manager",
    "load",
    "node_type",
    "parse_pipeline_definition",
    "run",
    "validate_pipeline_dag",
]

_HOMES = {
    "playbill.model.definition": ("PipelineDefinition PipelineEdge PipelineNode parse_pipeline_definition"),
    "playbill.model.errors": (
        "AttemptTimedOut CircuitOpen DefinitionError HandlerKilled InternalError JournalError "
        "NodeConfigError NodeError NodeExecutionError PlaybillError Problem RunCancelled RunError "
        "RunFailed RunParked RunSetAside RunTimedOut UnknownRun"
    ),
    "playbill.model.events": "Event EventType",
    "playbill.model.facts": "NodeStatus Origin Receipt RunStatus Stopped",
    "playbill.model.machines.circuit_state": "CircuitState",
    "playbill.model.policies": "BreakerPolicy LimitsPolicy RetryPolicy",
    "playbill.model.progress": "NodeProgress",
    "playbill.model.results": "NodeExecutionResult RunResult",
    "playbill.model.validation": "get_execution_order",
    "playbill.runtime.embedded.circuit_breaker": "CircuitBreaker",
    "playbill.runtime.recovery.taken_up": "TakenUp",
    "playbill.runtime.run": "Run",
    "playbill.runtime.faults.behaviour": "Behaviour",
    "playbill.runtime.faults.plan": "FaultPlan",
    "playbill.runtime.definitions.discovery": "action node_type",
    "playbill.runtime.embedded.executor": "PipelineExecutor",
    "playbill.runtime.definitions.files": "load validate_pipeline_dag",
    "playbill.runtime.runners.context": "NodeContext",
    "playbill.runtime.journals.listing": "LogLine",
    "playbill.runtime.manager": "PipelineRunManager",
    "playbill.runtime.embedded.shared_manager": "get_run_manager",
    "playbill.runtime.embedded.blocking": "BlockingManager",
    "playbill.runtime.embedded.blocking_run": "BlockingRun",
    "playbill.runtime.embedded.run_once": "run",
    "playbill.runtime.simulation.crashes": "explore_crashes",
    "playbill.runtime.simulation.explore": "explore",
    "playbill.runtime.simulation.checks.properties": "Always Eventually LeadsTo Sometimes",
    "playbill.runtime.simulation.simulation": "Simulation",
    "playbill.runtime.simulation.study": "Study",
    "playbill.runtime.embedded.dispatch_node": "dispatch_node",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'playbill' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """Show the public names, and none of what this file is made of."""
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
