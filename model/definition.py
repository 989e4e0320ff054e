"""What a user writes: nodes, edges and settings of a pipeline, checked for shape but not yet for sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)

from playbill.model.diagnostics import Location, validate_as
from playbill.model.errors import DefinitionError, Problem
from playbill.model.fields import Count, PositiveSeconds, Seconds, Settings, Text
from playbill.model.policies import BreakerPolicy, LimitsPolicy, Retry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "PipelineDefaults",
    "PipelineDefinition",
    "PipelineEdge",
    "PipelineNode",
    "definition_from",
    "json_schema",
    "parse_pipeline_definition",
]


# What `object.__setattr__` would look up for each copy of a node: pydantic's frozen models are made of these.
_SET_FIELDS: Final = vars(BaseModel)["__dict__"].__set__
_SET_NAMES: Final = vars(BaseModel)["__pydantic_fields_set__"].__set__
_SET_EXTRA: Final = vars(BaseModel)["__pydantic_extra__"].__set__
_SET_PRIVATE: Final = vars(BaseModel)["__pydantic_private__"].__set__


def _condition_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value  # YAML's true is a condition, too


def _next(value: object) -> object:
    if all(isinstance(target, str | dict) for target in _targets(value)):
        return value
    raise ValueError(f"takes an id, an edge ({{to: b, when: failure}}) or a list of them, not {value!r:.60}")


def _targets(value: object) -> list[Any]:
    if value is None:
        return []
    return list(cast("Sequence[Any]", value)) if isinstance(value, list) else [value]


class PipelineEdge(Settings):
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

    @property
    def id(self) -> str:
        """The edge as people name it: `a->b`."""
        return f"{self.from_node}->{self.to_node}"


class PipelineNode(Settings):
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
    """What recovery does when it was running at the crash."""
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
    next: Annotated[str | dict[str, Any] | list[str | dict[str, Any]] | None, BeforeValidator(_next)] = Field(
        default=None, exclude=True
    )
    """Short for edges that leave it; the definition turns them into edges."""

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


class PipelineDefinition(Settings):
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

    @model_validator(mode="before")
    @classmethod
    def _edges_of_next(cls, data: Any) -> Any:
        return _expand_next(cast("dict[str, Any]", data)) if isinstance(data, dict) else data


def definition_from(mapping: Mapping[str, Any]) -> PipelineDefinition:
    """Make a definition of plain data, such as a YAML file's.

    Raises:
        DefinitionError: The shape is wrong; carries every problem.
    """
    data = _expand_next(dict(mapping))
    name = data.get("name")
    name = name if isinstance(name, str) else ""
    return validate_as(PipelineDefinition, data, owner=lambda location: _owner(data, location), name=name)


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


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of a definition, for editors and other programs."""
    return PipelineDefinition.model_json_schema()


def _expand_next(data: dict[str, Any]) -> dict[str, Any]:
    """Turn each node's `next` into edges; a wrong shape stays, for pydantic to complain about."""
    nodes, edges = data.get("nodes"), data.get("edges") or ()
    if not isinstance(nodes, list | tuple) or not isinstance(edges, list | tuple):
        return data
    nodes, edges = cast("list[Any]", nodes), cast("list[Any]", edges)
    short = [edge for node in nodes if (after := _next_of(node)) for edge in _short_edges(node, after)]
    if not short:
        return data
    return {**data, "nodes": [_without_next(node) for node in nodes], "edges": [*edges, *short]}


def _next_of(node: Any) -> Any:
    if isinstance(node, PipelineNode):
        return node.next
    return cast("dict[str, Any]", node).get("next") if isinstance(node, dict) else None


def _short_edges(node: PipelineNode | dict[str, Any], following: object) -> list[dict[str, Any]]:
    source = node.id if isinstance(node, PipelineNode) else node.get("id")
    targets = _targets(following)
    if not isinstance(source, str) or not all(isinstance(target, str | dict) for target in targets):
        return []
    return [{"from": source, **({"to": target} if isinstance(target, str) else target)} for target in targets]


def _without_next(node: Any) -> Any:
    following = _next_of(node)
    if not following or not _short_edges(node, following):
        return node
    if isinstance(node, PipelineNode):
        return node.model_copy(update={"next": None})
    return {field: value for field, value in node.items() if field != "next"}


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
    return f"edge '{source}->{target}'"


def _heading(where: str) -> str:
    return "Invalid edge data" if where.startswith("edges") else "Invalid node data"
