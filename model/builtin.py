"""The node types and actions that are always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model import configs, outputs
from playbill.model.catalog import ActionType, Catalog, NodeType
from playbill.model.targets import TargetRule, host_of, services_of, text_of
from playbill.model.templates import DELAY_ROOTS

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["BUILTIN"]

OURS = "playbill does its work itself"
OUTSIDE = "it waits on the loop for others, whom no signal to a process stops"


def _builtin(name: str, config: type[BaseModel], **more: Any) -> NodeType:
    return NodeType(name, config, origin=f"{configs.__name__}:{config.__name__}", **more)


def _action(name: str, config: type[BaseModel], **more: Any) -> ActionType:
    return ActionType(name, config, origin=f"{configs.__name__}:{config.__name__}", inline_because=OUTSIDE, **more)


_ACTIONS = (
    _action(
        "call_api",
        configs.CallApiConfig,
        target=TargetRule(("url",), (host_of,)),
        output=outputs.CallApiOutput,
        error=outputs.HttpError,
    ),
    _action(
        "send_notification",
        configs.SendNotificationConfig,
        target=TargetRule(("webhook", "apprise"), (host_of, services_of)),
        output=outputs.SendNotificationOutput,
        error=outputs.HttpError,
    ),
    _action("execute_pipeline", configs.ExecutePipelineConfig, literal=frozenset({"pipeline"})),
)
_TYPES = (
    _builtin("trigger", configs.EmptyConfig, templated=False, inline_because=OURS),
    _builtin(
        "agent",
        configs.AgentConfig,
        inline_because="agents are objects of this process",
        target=TargetRule(("agent_id",), (text_of,)),
        output=outputs.AgentOutput,
    ),
    _builtin(
        "condition",
        configs.ConditionConfig,
        templated=False,
        inline_because=OURS,
        output=outputs.ConditionOutput,
    ),
    _builtin(
        "action",
        configs.FreeConfig,
        actions={action.name: action for action in _ACTIONS},
        literal=frozenset({"action"}),
    ),
    _builtin("parallel", configs.EmptyConfig, templated=False, inline_because=OURS),
    _builtin("delay", configs.DelayConfig, roots=DELAY_ROOTS, inline_because=OURS),
    _builtin(
        "command",
        configs.CommandConfig,
        inline_because="it runs in a process of its own already",
        output=outputs.CommandOutput,
        error=outputs.CommandOutput,
    ),
    _builtin("python", configs.PythonConfig, literal=frozenset({"call"})),
)

BUILTIN = Catalog({node_type.name: node_type for node_type in _TYPES})
"""The types that are always there, without handlers."""
