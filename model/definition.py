"""What a user writes: nodes, edges and settings of a pipeline, checked for shape but not yet for sense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from playbill.model.diagnostics import problems_of
from playbill.model.errors import DefinitionError, Problem
from playbill.model.fields import Count, PositiveSeconds, Seconds, Settings, Text
from playbill.model.policies import BreakerPolicy, LimitsPolicy, Retry
from playbill.model.shorthand import check_next, expand_next
from playbill.model.written import UNWRITTEN, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.places import Location

__all__ = [
    "PipelineDefaults",
    "PipelineDefinition",
    "PipelineEdge",
    "PipelineNode",
    "definition_from",
    "parse_pipeline_definition",
]


# What `object.__setattr__` would look up for each copy of a node: pydantic's frozen models are made of these.
_SET_FIELDS: Final = vars(BaseModel)["__dict__"].__set__
_SET_NAMES: Final = vars(BaseModel)["__pydantic_fields_set__"].__set__
_SET_EXTRA: Final = vars(BaseModel)["__pydantic_extra__"].__set__
_SET_PRIVATE: Final = vars(BaseModel)["__pydantic_private__"].__set__


def _condition_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value  # YAML's true is a condition, too


def _default_edge_id(fields: dict[str, Any]) -> str:
    return f"{fields.get('from_node', '?')}->{fields.get('to_node', '?')}"


class Draftable(Settings):
    """What is checked by `model_validate` as by playbill: its errors are DefinitionErrors, with a "did you mean"."""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make one of plain data.

        Raises:
            DefinitionError: The shape is wrong; carries every problem.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise DefinitionError(name_of_data(obj), shape_problems(error, cls, obj)) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make one of JSON.

        Raises:
            DefinitionError: It is not JSON, or the shape is wrong; carries every problem.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            obj: object = None if error.errors()[0]["type"] == "json_invalid" else json.loads(json_data)
            raise DefinitionError(name_of_data(obj), shape_problems(error, cls, obj)) from None


def share_names(one: Draftable, other: Draftable) -> None:
    """Let one have the very set of the other in which pydantic notes what was said, if both said the same.

    These sets are a third of the memory of a large definition.
    """
    names = other.__pydantic_fields_set__
    if one.__pydantic_fields_set__ == names:
        _SET_NAMES(one, names)


class PipelineEdge(Draftable):
    """Hands the outcome of one node to another."""

    # Not `alias`: type checkers would then know only the name `from`, which no call can write.
    from_node: Text = Field(validation_alias="from", serialization_alias="from")
    """Id of the source."""
    to_node: Text = Field(validation_alias="to", serialization_alias="to")
    """Id of the target."""
    condition: Annotated[str | None, BeforeValidator(_condition_text)] = None
    """The edge is live when this holds; none: when the source succeeded."""
    when: Literal["success", "failure", "always"] = "success"
    """Which outcomes of the source the edge is for."""
    id: Text = Field(default_factory=_default_edge_id)
    """Its author's name for it, `a->b` by default; two may have the same one."""
    ui: dict[str, Any] | None = None
    """What an editor keeps with it; no run looks at it."""

    @property
    def arrow(self) -> str:
        """The edge as people name it: `a->b`."""
        return f"{self.from_node}->{self.to_node}"


class PipelineNode(Draftable):
    """One step of a pipeline."""

    id: Text
    """Unique in its pipeline."""
    type: Text
    """The name of a type in the catalog."""
    config: dict[str, Any] = Field(default_factory=dict)
    """What the type asks for; strings may hold `${CEL}`."""
    name: str | None = None
    """For people."""
    description: str | None = None
    """For people."""
    join: Literal["all", "any"] = "all"
    """Begins when every incoming edge is resolved, or on the first live one."""
    on_error: Literal["fail", "continue"] = "fail"
    """Whether its failure may fail the run."""
    on_open: Literal["fail", "wait"] = "fail"
    """What it does when its breaker is open."""
    on_crash: Literal["retry", "fail"] = "retry"
    """What recovery does when it was running at the crash; `fail` has one attempt, unless `retry` says more."""
    isolation: Literal["inline", "process"] | None = None
    """Where its handler runs: in this process or in one that can be killed; None: as its type says."""
    limits: LimitsPolicy | None = None
    """What one attempt may use; only with isolation process. None: as its type says."""
    retry: Retry | None = None
    """None: the pipeline's default."""
    timeout: PositiveSeconds | None = None
    """Seconds for one attempt."""
    idle_timeout: PositiveSeconds | None = None
    """Seconds for one attempt without a heartbeat."""
    total_timeout: PositiveSeconds | None = None
    """Seconds for waits, attempts and back-offs together."""
    grace: Seconds | None = None
    """Seconds its handler has to clean up when it is stopped."""
    breaker: Text | None = None
    """The breaker's key; none: the type."""
    next: Annotated[str | dict[str, Any] | list[str | dict[str, Any]] | None, BeforeValidator(check_next)] = Field(
        default=None, exclude=True
    )
    """Short for edges that leave it; the definition turns them into edges."""
    position: dict[str, Any] | None = None
    """Where an editor draws it; no run looks at it."""
    ui: dict[str, Any] | None = None
    """What else an editor keeps with it; no run looks at it."""

    def says_none_of(self, fields: frozenset[str]) -> bool:
        """Tell whether it leaves all of these fields to their defaults; `config` may be changed in place even so."""
        return self.__pydantic_fields_set__.isdisjoint(fields)

    def take_config(self, config: dict[str, Any]) -> None:
        """Have another config, unchecked, for all that it is frozen: only for who has just made it of plain data."""
        vars(self)["config"] = config

    def with_config(self, config: dict[str, Any]) -> Self:
        """Return a copy with another config, unchecked; all else is shared.

        As model_copy does, at a third of its cost: one is made for every attempt.
        """
        made = object.__new__(type(self))
        fields = self.__dict__.copy()
        fields["config"] = config
        _SET_FIELDS(made, fields)
        _SET_NAMES(made, self.__pydantic_fields_set__)
        _SET_EXTRA(made, None)
        _SET_PRIVATE(made, None)
        return made


class PipelineDefaults(Settings):
    """What nodes have that do not say otherwise."""

    retry: Retry | None = None
    timeout: PositiveSeconds | None = None
    idle_timeout: PositiveSeconds | None = None
    total_timeout: PositiveSeconds | None = None


class PipelineDefinition(Draftable):
    """A pipeline as its author wrote it."""

    name: Text = "pipeline"
    version: Annotated[str, Field(coerce_numbers_to_str=True)] = "1"
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    nodes: list[PipelineNode]
    edges: list[PipelineEdge] = Field(default_factory=list[PipelineEdge])
    inputs: dict[str, Any] | None = None
    """JSON Schema of the trigger data, with defaults."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Text -> CEL over `inputs` and `trigger`; empty: the output of each completed node."""
    breakers: dict[str, BreakerPolicy] = Field(default_factory=dict)
    """Breaker key -> policy."""
    defaults: PipelineDefaults = PipelineDefaults()
    timeout: PositiveSeconds = 3600.0
    """Seconds for the whole run."""
    max_concurrency: Count | None = None
    """Nodes whose handlers may run at once."""
    on_failure: Literal["stop", "finish"] = "stop"
    """What an unhandled failure does to the other branches."""
    imports: list[str] = Field(default_factory=list)
    """Modules that define types and actions."""
    ui: dict[str, Any] | None = None
    """What an editor keeps with it; no run looks at it."""
    _written: Written = PrivateAttr(default=UNWRITTEN)

    @property
    def written(self) -> Written:
        """The text that it was read from, if it was."""
        return self._written

    def of_text(self, written: Written) -> Self:
        """Say which text it was read from, and return it."""
        self._written = written
        return self

    @model_validator(mode="before")
    @classmethod
    def _edges_of_next(cls, data: Any) -> Any:
        return expand_next(cast("dict[str, Any]", data)) if isinstance(data, dict) else data


def definition_from(mapping: Mapping[str, Any]) -> PipelineDefinition:
    """Make a definition of plain data, such as a YAML file's.

    Raises:
        DefinitionError: The shape is wrong; carries every problem.
    """
    return PipelineDefinition.model_validate(dict(mapping))


def shape_problems(error: ValidationError, model: type[BaseModel], data: Any) -> list[Problem]:
    """Give one problem for each complaint of pydantic's about plain data."""
    if model is not PipelineDefinition or not isinstance(data, dict):
        return problems_of(error, model)
    expanded = expand_next(cast("dict[str, Any]", data))
    return problems_of(error, model, owner=lambda location: _owner(expanded, location))


def name_of_data(data: object) -> str:
    """Give the name of a pipeline by its plain data, empty if it has none."""
    name = cast("dict[str, Any]", data).get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else ""


def parse_pipeline_definition(
    nodes: Iterable[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]] = (), name: str = "pipeline"
) -> PipelineDefinition:
    """Make a definition of a list of nodes and a list of edges.

    Raises:
        DefinitionError: A ValueError whose problems begin with "Invalid node data" or "Invalid edge data".
    """
    try:
        return definition_from({"name": name, "nodes": nodes, "edges": edges})
    except DefinitionError as error:
        problems = (Problem(p.code, p.where, f"{_heading(p.where)}: {p.message}") for p in error.problems)
        raise DefinitionError("", problems) from None


def _owner(data: Mapping[str, Any], location: Location) -> tuple[str, int]:
    """Text the thing a location is in, and how many of its parts that takes."""
    match location:
        case ("nodes", int(index), *_):
            return _node_name(data["nodes"][index]) or f"nodes[{index}]", 2
        case ("edges", int(index), *_):
            return _edge_name(data["edges"][index]) or f"edges[{index}]", 2
        case ("breakers", str(key), *_):
            return f"breaker '{key}'", 2
        case _:
            return "", 0


def _node_name(node: object) -> str:
    node_id = cast("dict[str, Any]", node).get("id") if isinstance(node, dict) else None
    return f"node '{node_id}'" if isinstance(node_id, str) else ""


def _edge_name(edge: object) -> str:
    if not isinstance(edge, dict):
        return ""
    ends = cast("dict[str, Any]", edge)
    source, target = (ends.get(f"{end}_node", ends.get(end, "?")) for end in ("from", "to"))
    return "" if source == target == "?" else f"edge '{source}->{target}'"


def _heading(where: str) -> str:
    return "Invalid edge data" if where.startswith("edges") else "Invalid node data"
