"""Tells all that is wrong with a definition at once, and in which order its nodes come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from playbill.model.breaker_keys import breaker_keys, is_key
from playbill.model.builtin import BUILTIN
from playbill.model.catalog import Catalog
from playbill.model.cel_hints import hyphen_hint
from playbill.model.cel_tokens import node_references
from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import DefinitionError, Problem
from playbill.model.expressions import (
    EDGE_ROOTS,
    OUTPUT_ROOTS,
    ExpressionError,
    compile_condition,
    compile_expression,
)
from playbill.model.graph import CycleError, topological_order
from playbill.model.input_schemas import schema_problems
from playbill.model.known_keys import paths_of_condition, paths_read
from playbill.model.node_checks import InputScope, node_problems, retry_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.definition import PipelineEdge

__all__ = ["get_execution_order", "validate"]

_SUGGESTED_UP_TO = 500
"""In larger pipelines looking for close names would take longer than all other checks."""


def validate(definition: PipelineDefinition, catalog: Catalog = BUILTIN) -> list[Problem]:
    """Give all problems of a definition; none: it may run.

    Args:
        definition: What to check.
        catalog: The node types and actions it may use.
    """
    scope = InputScope(definition, catalog)
    return [
        *_id_problems(definition),
        *retry_problems(definition.defaults.retry, "defaults.retry", "defaults.retry"),
        *(p for i, node in enumerate(definition.nodes) for p in node_problems(i, node, catalog, scope)),
        *_edge_problems(definition, scope),
        *_cycle_problems(definition, scope),
        *_output_problems(definition, scope),
        *_breaker_problems(definition),
        *(schema_problems(definition.inputs) if definition.inputs is not None else ()),
    ]


def get_execution_order(definition: PipelineDefinition | Mapping[str, Any]) -> list[str]:
    """Give the node ids so that every edge leads forward; ties go by the definition's order.

    Raises:
        DefinitionError: It is no definition nor the mapping of one, or an edge names an unknown node.
        CycleError: A ValueError that names the cycle.
    """
    definition = _shaped(definition)
    types = {node.id: node.type for node in definition.nodes}
    for index, edge in enumerate(definition.edges):
        if unknown := list(_unknown_ends(index, edge, types)):
            raise DefinitionError(definition.name, unknown)
    return topological_order(types, ((edge.from_node, edge.to_node) for edge in definition.edges))


def _shaped(given: PipelineDefinition | Mapping[str, Any]) -> PipelineDefinition:
    """Return the definition that was given, maybe as the mapping that it is written as.

    Raises:
        DefinitionError: It is neither, or its shape is wrong.
    """
    kind = cast("object", given)
    if isinstance(kind, PipelineDefinition):
        return kind
    if isinstance(kind, Mapping):
        return definition_from(cast("Mapping[str, Any]", kind))
    text = f"a pipeline is a PipelineDefinition or the mapping it is written as, not {type(kind).__name__}"
    raise DefinitionError.single("no-definition", "definition", f"{text}: {kind!r:.60}")


def _id_problems(definition: PipelineDefinition) -> Iterator[Problem]:
    if not definition.nodes:
        yield Problem("no-nodes", "nodes", "a pipeline needs at least one node")
    first: dict[str, int] = {}
    for index, node in enumerate(definition.nodes):
        before = first.setdefault(node.id, index)
        if before != index:
            text = f"duplicate node id '{node.id}': nodes[{before}] has it already"
            yield Problem("duplicate-id", f"nodes[{index}].id", text)


def _edge_problems(definition: PipelineDefinition, scope: InputScope) -> Iterator[Problem]:
    seen: set[tuple[str, str, str | None, str]] = set()
    for index, edge in enumerate(definition.edges):
        where = f"edges[{index}]"
        yield from _unknown_ends(index, edge, scope.types)
        if edge.from_node == edge.to_node:
            yield Problem("self-edge", where, f"edge '{edge.arrow}' leads back to its own node: a cycle of one")
        key = (edge.from_node, edge.to_node, edge.condition, edge.when)
        if key in seen:
            yield Problem("duplicate-edge", where, f"duplicate edge '{edge.arrow}': remove one of the two")
        seen.add(key)
        if scope.types.get(edge.to_node) == "trigger":
            text = f"edge '{edge.arrow}' leads to trigger '{edge.to_node}': triggers have no incoming edges"
            yield Problem("trigger-with-input", where, text)
        if edge.condition is not None:
            yield from _condition_problems(f"{where}.condition", edge, edge.condition, scope)


def _unknown_ends(index: int, edge: PipelineEdge, types: dict[str, str]) -> Iterator[Problem]:
    for end, name in (("source", edge.from_node), ("target", edge.to_node)):
        if name not in types:
            hint = did_you_mean(name, types) if len(types) <= _SUGGESTED_UP_TO else ""
            text = f"edge '{edge.arrow}' names unknown {end} '{name}'{hint}; nodes are: {list_names(types)}"
            yield Problem(f"unknown-{end}", f"edges[{index}]", text)


def _condition_problems(where: str, edge: PipelineEdge, text: str, scope: InputScope) -> Iterator[Problem]:
    source = edge.from_node
    subject = f"edge '{edge.arrow}'"
    if text.strip().lower() == "false" and scope.types.get(source) != "condition":
        rule = f"is constantly 'false' but '{source}' is not a condition node: it is never live"
        yield Problem("never-live", where, f"{subject} {rule}; remove the edge or give it a condition")
        return
    try:
        compile_condition(text, predecessors=(source,), roots=EDGE_ROOTS)
    except ExpressionError as error:
        yield Problem(error.code, where, f"{subject}: condition: {error}")
    else:
        yield from scope.problems(text, source, where, subject, source)
        if text.strip() != source:
            sources = scope.of(source)
            roots = scope.known.at_edge(edge, sources)
            paths = paths_of_condition(text)
            yield from scope.known.problems(paths, where, subject, {*sources, source} & scope.types.keys(), roots)


def _cycle_problems(definition: PipelineDefinition, scope: InputScope) -> Iterator[Problem]:
    known = scope.types
    ends = ((edge.from_node, edge.to_node) for edge in definition.edges)
    try:
        topological_order(known, ((a, b) for a, b in ends if a != b and a in known and b in known))
    except CycleError as error:
        yield Problem("cycle", "edges", f"{error}; a pipeline has none: remove one of these edges")


def _output_problems(definition: PipelineDefinition, scope: InputScope) -> Iterator[Problem]:
    for name, expression in definition.outputs.items():
        where = f"outputs.{name}"
        try:
            compile_expression(expression, OUTPUT_ROOTS)
        except ExpressionError as error:
            yield Problem(error.code, where, f"output '{name}': {error}")
            continue
        for node in sorted(node_references(expression) - scope.types.keys()):
            hint = f"; {told}" if (told := hyphen_hint(expression, scope.types)) else ""
            text = f"output '{name}': inputs['{node}'] names no node of the pipeline{hint}"
            yield Problem("unknown-node", where, text)
        completed = {f"inputs.{node}": scope.known.of(node) for node in scope.types}
        roots = {**completed, "trigger": scope.known.trigger}
        paths = paths_read(expression)
        yield from scope.known.problems(paths, where, f"output '{name}'", scope.types.keys(), roots)


def _breaker_problems(definition: PipelineDefinition) -> Iterator[Problem]:
    if not definition.breakers:
        return
    used = sorted(breaker_keys(definition))
    for key in definition.breakers:
        if not is_key(key, used):
            hint = f"{did_you_mean(key, used)}; keys in use are: {list_names(used)}"
            text = f"breaker '{key}' is used by no node{hint}"
            yield Problem("unknown-breaker", f"breakers.{key}", text)
