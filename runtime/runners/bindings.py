"""Who does the work of which node, with which templates and limits: what the runs of one definition share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from playbill.model.configs import EmptyConfig, FreeConfig
from playbill.runtime.runners.calling import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.catalog import NodeType
    from playbill.model.definition import PipelineNode
    from playbill.model.templates import Template
    from playbill.runtime.runners.workers.limits import Limits


@dataclass(frozen=True, slots=True)
class Binding:
    """Who does the work of a node type, or of one node."""

    handler: Callable[..., Any]
    on_loop: bool
    node_type: NodeType
    parses: bool
    """Whether its config has a model."""

    @classmethod
    def of(cls, node_type: NodeType, handler: Callable[..., Any], model: type[BaseModel]) -> Binding:
        """Bind `handler` to nodes whose config is a `model`."""
        return cls(handler, is_async(handler), node_type, model not in {FreeConfig, EmptyConfig})


@dataclass(frozen=True, slots=True)
class Bindings:
    """The handlers and templates of one definition."""

    by_type: Mapping[str, Binding]
    by_node: Mapping[str, Binding]
    """Of nodes whose type alone does not say: actions, python calls."""
    templates: Mapping[str, Template]
    """Of nodes whose config has something to replace."""
    isolated: Mapping[str, Limits | None]
    """The nodes whose handlers run in processes, and what an attempt may use there."""

    def of(self, node: PipelineNode) -> Binding:
        """Return who does the work of `node`."""
        return self.by_type.get(node.type) or self.by_node[node.id]
