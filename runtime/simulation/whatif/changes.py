"""A change: other policies for a recorded pipeline, as data; a policy it names keeps the fields it does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError

from playbill.model.breaker_keys import breaker_keys, is_key
from playbill.model.definition import PipelineDefaults, PipelineDefinition, PipelineNode
from playbill.model.diagnostics import Named, problems_of, unknown_names, validate_as
from playbill.model.errors import DefinitionError, Problem
from playbill.model.fields import Count, PositiveSeconds, Seconds, Settings, Text
from playbill.model.plan import BUILT_IN
from playbill.model.policies import BreakerPolicy, RetryPolicy, fields_of_retry
from playbill.runtime.definitions.files import load_text
from playbill.runtime.faults.plan import Behaviours

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

P = TypeVar("P", bound=Settings)
Fields = dict[str, Any]
_TIMEOUTS = ("timeout", "idle_timeout", "total_timeout")


class NodeDefaults(Settings):
    """What nodes have that do not say otherwise; null: none."""

    retry: Annotated[Fields, BeforeValidator(fields_of_retry)] | None = None
    timeout: PositiveSeconds | None = None
    idle_timeout: PositiveSeconds | None = None
    total_timeout: PositiveSeconds | None = None


class NodeChange(NodeDefaults):
    """What one node has instead."""

    grace: Seconds | None = None
    on_open: Literal["fail", "wait"] = "fail"
    on_error: Literal["fail", "continue"] = "fail"
    breaker: Text | None = None


class Change(Settings):
    """Other policies, and what is assumed where the recording does not reach."""

    defaults: NodeDefaults = NodeDefaults()
    nodes: dict[str, NodeChange] = Field(default_factory=dict)
    breakers: dict[str, Fields] = Field(default_factory=dict)
    timeout: PositiveSeconds | None = None
    """Seconds for the whole run; None: as it was."""
    max_concurrency: Count | None = None
    """If named; null: no bound."""
    on_failure: Literal["stop", "finish"] | None = None
    beyond: Literal["repeat-last", "succeed-like-recorded"] = "repeat-last"
    """What attempts do that were not recorded, or were recorded without their end."""
    behaviours: Behaviours = Field(default_factory=Behaviours)
    """What handlers do that were not recorded: wins over `beyond`."""

    def applied(self, definition: PipelineDefinition) -> PipelineDefinition:
        """Return the changed pipeline; what its nodes had by default each then has for itself.

        Raises:
            DefinitionError: the change speaks of what is not there, or makes a policy wrong; carries all problems.
        """
        problems = unknown_names(_names(self, definition))
        defaults = definition.defaults.model_copy(update=_fields(self.defaults))
        old_retry = definition.defaults.retry or RetryPolicy()
        retry = _merge(RetryPolicy, old_retry, self.defaults.retry, "defaults.retry", problems)
        nodes = [self._node(node, defaults, retry, problems) for node in definition.nodes]
        breakers = dict(definition.breakers)
        for key, fields in self.breakers.items():
            old = breakers.get(key, BreakerPolicy())
            breakers[key] = _merge(BreakerPolicy, old, fields, f"breakers.{key}", problems)
        if problems:
            raise DefinitionError("", problems, "change")
        update: Fields = {"nodes": nodes, "breakers": breakers, "defaults": PipelineDefaults()}
        named = {name: getattr(self, name) for name in ("timeout", "on_failure") if getattr(self, name) is not None}
        if "max_concurrency" in self.model_fields_set:
            named["max_concurrency"] = self.max_concurrency
        return definition.model_copy(update={**update, **named})

    def _node(
        self, node: PipelineNode, defaults: PipelineDefaults, retry: RetryPolicy, problems: list[Problem]
    ) -> PipelineNode:
        update: Fields = {
            name: getattr(defaults, name) if getattr(node, name) is None else getattr(node, name)
            for name in (("total_timeout",) if node.type in BUILT_IN else _TIMEOUTS)
        }
        # Without a handler a node keeps what it says, and takes no default: `validate` speaks of all else.
        update["retry"] = node.retry if node.type in BUILT_IN else node.retry or retry
        change = self.nodes.get(node.id)
        if change is not None:
            update |= _fields(change)
            if change.retry:
                where = f"nodes.{node.id}.retry"
                update["retry"] = _merge(RetryPolicy, node.retry or retry, change.retry, where, problems)
        return node.model_copy(update=update)


def _fields(change: NodeDefaults) -> Fields:
    """Return the fields that a change names, all but the policy."""
    return {name: getattr(change, name) for name in change.model_fields_set if name != "retry"}


def _merge(model: type[P], old: P, fields: Fields | None, where: str, problems: list[Problem]) -> P:
    """Return a policy with other fields; what is wrong with them joins `problems`."""
    if not fields:
        return old
    try:
        return model.model_validate({**old.model_dump(exclude_unset=True), **fields})
    except ValidationError as error:
        problems += problems_of(error, model, prefix=where, owner=lambda _: (where, 0))
        return old


def _names(change: Change, definition: PipelineDefinition) -> Iterator[Named]:
    """Tell which names of the pipeline a change uses."""
    nodes, types = {node.id for node in definition.nodes}, {node.type for node in definition.nodes}
    keys = breaker_keys(definition) | {node.breaker for node in change.nodes.values() if node.breaker}
    keys |= {key for key in change.breakers if is_key(key, keys)}
    yield from (Named("node", nodes, name, f"nodes.{name}") for name in change.nodes)
    yield from (Named("breaker", keys, name, f"breakers.{name}") for name in change.breakers)
    yield from change.behaviours.names(nodes, types)


def change_from(data: Mapping[str, Any]) -> Change:
    """Return the change that a mapping says.

    Raises:
        DefinitionError: it has an unknown field or a wrong value; carries all problems.
    """
    return validate_as(Change, data, "change", owner=_owner)


def load_change(source: str | os.PathLike[str]) -> Change:
    """Load a change from a YAML or JSON file.

    Raises:
        DefinitionError: there is no such file, or it is not a change; carries all problems.
    """
    text = load_text(source, "changed policies")
    with text.written.placing():
        return change_from(text.data)


def _owner(location: tuple[int | str, ...]) -> tuple[str, int]:
    match location:
        case ("nodes", str(name), *_):
            return f"node '{name}'", 2
        case ("breakers", str(name), *_):
            return f"breaker '{name}'", 2
        case _:
            return "", 0


__all__ = ["Change", "change_from", "load_change"]
