"""The node types and actions that a manager knows: names, config models and, once bound, handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from pydantic import BaseModel, ValidationError

from playbill.model import configs
from playbill.model.config_checks import may_become_right, unchecked, unknown_fields
from playbill.model.diagnostics import details_of, did_you_mean, list_names, problems_of, texts_expected
from playbill.model.errors import DefinitionError, NodeConfigError, Problem
from playbill.model.handler_versions import UNVERSIONED, DeclaredVersion
from playbill.model.targets import TargetRule
from playbill.model.templates import (
    TEMPLATE_ROOTS,
    Template,
    compile_template,
    has_template,
    strings_in,
    with_rendered_texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from playbill.model.definition import PipelineNode
    from playbill.model.places import Location
    from playbill.model.policies import LimitsPolicy
    from playbill.model.targets import CompiledTarget

__all__ = ["ActionType", "Catalog", "NodeType"]

Handler: TypeAlias = "Callable[..., Any]"
Isolation: TypeAlias = Literal["inline", "process"]
NOWHERE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ActionType:
    """What a node of type `action` may do."""

    name: str
    config: type[BaseModel] = configs.FreeConfig
    """The model of the node's config without `action`."""
    handler: Handler | None = None
    origin: str = ""
    """Where it is defined, as `module:qualname`."""
    literal: frozenset[str] = frozenset()
    """Config fields whose `${...}` are not ours to replace."""
    isolation: Isolation = "inline"
    """Where its handler runs unless the node says otherwise."""
    limits: LimitsPolicy | None = None
    inline_because: str = ""
    """Why its handler cannot run in a process of its own; empty: it can."""
    target: TargetRule | None = None
    """What in its config says what it depends on; None: nothing does."""
    output: type[BaseModel] | None = None
    """The model of what it gives; None: nobody knows."""
    error: type[BaseModel] | None = None
    """The model of what its errors carry; None: nobody knows."""
    declared: DeclaredVersion = UNVERSIONED


@dataclass(frozen=True, slots=True)
class NodeType:
    """What nodes of one type are configured with, and who does their work."""

    name: str
    config: type[BaseModel] = configs.FreeConfig
    actions: Mapping[str, ActionType] = field(default_factory=dict[str, ActionType])
    """By name; with any, a node's config names one in `action`."""
    handler: Handler | None = None
    origin: str = ""
    """Where it is defined, as `module:qualname`."""
    literal: frozenset[str] = frozenset()
    """Config fields whose `${...}` are not ours to replace."""
    templated: bool = True
    """Whether its config may hold `${CEL}` at all: of the node machine's own types only a delay's."""
    roots: tuple[str, ...] = TEMPLATE_ROOTS
    """The names that these may use."""
    isolation: Isolation = "inline"
    """Where its handler runs unless the node says otherwise."""
    limits: LimitsPolicy | None = None
    inline_because: str = ""
    """Why its handler cannot run in a process of its own; empty: it can."""
    target: TargetRule | None = None
    """What in its config says what it depends on; None: nothing does."""
    output: type[BaseModel] | None = None
    """The model of what it gives; None: nobody knows."""
    error: type[BaseModel] | None = None
    """The model of what its errors carry; None: nobody knows."""
    declared: DeclaredVersion = UNVERSIONED

    def worker(self, node: PipelineNode) -> NodeType | ActionType:
        """Return who does a node's work: the type, or of an action node its action."""
        return self._choose(node.config) or self

    def isolation_of(self, node: PipelineNode) -> Isolation:
        """Return where a node's handler runs."""
        return node.isolation or self.worker(node).isolation

    def limits_of(self, node: PipelineNode) -> LimitsPolicy | None:
        """Return what one attempt of a node may use."""
        return node.limits or self.worker(node).limits

    def target_of(self, config: Mapping[str, Any]) -> CompiledTarget | str:
        """Give what a node of this config depends on; of an action that does not say, its name; empty: nothing."""
        chosen = self._choose(config)
        if chosen is None or chosen.target is None:
            return chosen.name if isinstance(chosen, ActionType) else ""
        return chosen.target.compile(config, self.literals(config))

    def check(self, config: Mapping[str, Any], *, subject: str = "", where: str = "config") -> list[Problem]:
        """Tell all that is wrong with a config as it was written; a `${...}` may stand for any value.

        Args:
            config: The node's config.
            subject: Names the node in the messages, such as `node 'a'`.
            where: The config's place in the definition.
        """
        chosen = self._choose(config)
        if chosen is None:
            return [self._unknown_action(config, subject, f"{where}.action" if where else "action")]
        told: list[Problem] = []
        try:
            chosen.config.model_validate(self._fields(config))
        except ValidationError as error:
            told = [
                problem
                for problem, detail in zip(
                    problems_of(error, chosen.config, prefix=where, owner=lambda _location: (subject, 0)),
                    details_of(error),
                    strict=True,
                )
                if detail["type"] == "extra_forbidden" or not self._may_become_right(config, detail)
            ]
        except Exception as error:  # noqa: BLE001 (a check of a user's model may raise anything)
            if not self._has_template(config):
                told = [unchecked(error, chosen.config, subject, where)]
        return [*told, *unknown_fields(chosen.config, self._fields(config), subject, where)]

    def _has_template(self, config: Mapping[str, Any]) -> bool:
        literal = self.literals(config)
        rest = {key: value for key, value in config.items() if key not in literal}
        return self.templated and any(map(has_template, strings_in(rest)))

    def texts_expected(self, config: Mapping[str, Any]) -> list[Location]:
        """Give where in a config text belongs, and something else is."""
        chosen = self._choose(config)
        try:
            if chosen is not None:
                chosen.config.model_validate(self._fields(config))
        except ValidationError as error:
            return texts_expected(error)
        except Exception:  # noqa: BLE001 (`check` tells of it)
            return []
        return []

    def parse(self, config: Mapping[str, Any], *, subject: str = "") -> BaseModel:
        """Give the model of a rendered config; of an action node, the model of its action.

        Raises:
            NodeConfigError: The config is wrong; tells all that is.
        """
        chosen = self._choose(config)
        if chosen is None:
            raise NodeConfigError(str(self._unknown_action(config, subject, "action")))
        fields = self._fields(config)
        try:
            try:
                return chosen.config.model_validate(fields)
            except ValidationError as error:
                # What was written was checked before the run: this is what a template gave.
                return chosen.config.model_validate(with_rendered_texts(fields, texts_expected(error)))
        except ValidationError as error:
            problems = problems_of(error, chosen.config, owner=lambda _location: (subject, 0))
            raise NodeConfigError("; ".join(map(str, problems))) from None

    def template(self, config: Mapping[str, Any]) -> Template | None:
        """Compile the `${...}` of a config, `literal` fields excepted; None when it has nothing to replace.

        Raises:
            ExpressionError: A template is wrong.
        """
        if not self.templated or not config:
            return None
        literal = self.literals(config)
        compiled = compile_template({key: value for key, value in config.items() if key not in literal}, self.roots)
        kept = {key: config[key] for key in literal if key in config}
        return Template({**compiled.value, **kept}) if compiled else None

    def literals(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Give the fields of a config that are never templates."""
        chosen = self._choose(config)
        return self.literal | (chosen.literal if chosen else frozenset[str]())

    def _choose(self, config: Mapping[str, Any]) -> NodeType | ActionType | None:
        if not self.actions:
            return self
        name = config.get("action")
        return self.actions.get(name) if isinstance(name, str) else None

    def _fields(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in config.items() if not (self.actions and key == "action")}

    def _unknown_action(self, config: Mapping[str, Any], subject: str, where: str) -> Problem:
        start = f"{subject}: " if subject else ""
        if "action" not in config:
            text = f"{start}field 'action' is missing; actions are: {list_names(self.actions)}"
            return Problem("missing-field", where, text)
        name = str(config["action"])
        hint = f"{did_you_mean(name, self.actions)}; actions are: {list_names(self.actions)}"
        return Problem("unknown-action", where, f"{start}unknown action '{name}'{hint}")

    def _may_become_right(self, config: Mapping[str, Any], detail: ErrorDetails) -> bool:
        """Tell whether a template may make a value right: of any type if it is all of it, else another text."""
        top = detail["loc"][0] if detail["loc"] else ""
        if not self.templated or top in self.literals(config):
            return False
        return may_become_right(config, detail)


class Catalog:
    """Node types by name; a value: what adds gives a new one."""

    __slots__ = ("_types",)

    def __init__(self, types: Mapping[str, NodeType] = NOWHERE) -> None:
        self._types = dict(types)

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[NodeType]:
        return iter(self._types.values())

    def __repr__(self) -> str:
        return f"<Catalog of {list_names(self._types, 30)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all types."""
        return tuple(self._types)

    def get(self, name: str) -> NodeType | None:
        """Give the type of this name, if it is known."""
        return self._types.get(name)

    def with_type(self, node_type: NodeType) -> Catalog:
        """Give a catalog that knows one type more; one of the same place as the known one is that one, defined anew.

        Raises:
            DefinitionError: Another type has this name; names both places.
        """
        known = self._types.get(node_type.name)
        if known is not None and not _is_anew(known, node_type):
            _refuse("node type", node_type.name, known.origin, node_type.origin)
        return Catalog({**self._types, node_type.name: node_type})

    def with_action(self, action: ActionType, node_type: str = "action") -> Catalog:
        """Give a catalog in which nodes of `node_type` know one action more; one of the same origin is replaced.

        Raises:
            DefinitionError: Another action has this name; names both places.
        """
        owner = self._types[node_type]
        known = owner.actions.get(action.name)
        if known is not None and not _is_anew(known, action):
            _refuse("action", action.name, known.origin, action.origin)
        return Catalog({**self._types, node_type: replace(owner, actions={**owner.actions, action.name: action})})

    def with_handler(self, name: str, handler: Handler, *, action: str | None = None) -> Catalog:
        """Give a catalog in which a known type, or one action of it, is done by this handler."""
        owner = self._types[name]
        if action is None:
            return Catalog({**self._types, name: replace(owner, handler=handler)})
        bound = replace(owner.actions[action], handler=handler)
        return Catalog({**self._types, name: replace(owner, actions={**owner.actions, action: bound})})


def _is_anew(known: NodeType | ActionType, other: NodeType | ActionType) -> bool:
    return known == other or (known.origin == other.origin and bool(known.origin))


def _refuse(what: str, name: str, first: str, second: str) -> NoReturn:
    places = f"{first or 'an unknown place'} and {second or 'an unknown place'}"
    raise DefinitionError.single(
        "duplicate-name", name, f"{what} '{name}' is defined twice, in {places}: rename one of them"
    )
