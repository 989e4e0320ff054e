"""Tells all that is wrong with a definition at once, and in which order its nodes come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

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
from playbill.model.graph import CycleError, ordering, topological_order
from playbill.model.input_schemas import schema_problems
from playbill.model.known_keys import paths_of_condition, paths_read
from playbill.model.node_checks import InputScope, node_problems, retry_problems
from playbill.model.steps import STEP, finished, let_go

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.definition import PipelineEdge
    from playbill.model.steps import Steps

__all__ = ["get_execution_order", "validate", "validating"]

_SUGGESTED_UP_TO = 500
"""In larger pipelines looking for close names would take longer than all other checks."""


def validate(definition: PipelineDefinition, catalog: Catalog = BUILTIN) -> list[Problem]:
    """Give all problems of a definition; none: it may run.

    Args:
        definition: What to check.
        catalog: The node types and actions it may use.
    """
    return finished(validating(definition, catalog)).problems


class Validated(NamedTuple):
    """What validation has found."""

    problems: list[Problem]
    order: list[str]
    """The topological order, if there are no problems."""


def validating(definition: PipelineDefinition, catalog: Catalog) -> Steps[Validated]:
    """Do what `validate` does, in steps."""
    types: dict[str, str] = {}
    for index, node in enumerate(definition.nodes):
        types[node.id] = node.type
        if not index % STEP:
            yield
    scope = InputScope(definition, catalog, types)
    problems = [
        *_id_problems(definition, scope),
        *retry_problems(definition.defaults.retry, "defaults.retry", "defaults.retry"),
    ]
    for index, node in enumerate(definition.nodes):
        problems += node_problems(index, node, catalog, scope)
        if not index % STEP:
            yield
    problems += yield from _edge_problems(definition, scope)
    order = yield from _order(definition, scope, problems)
    problems += _output_problems(definition, scope)
    problems += _breaker_problems(definition)
    problems += schema_problems(definition.inputs) if definition.inputs is not None else ()
    return Validated(problems, order)


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


def _id_problems(definition: PipelineDefinition, scope: InputScope) -> Iterator[Problem]:
    if not definition.nodes:
        yield Problem("no-nodes", "nodes", "a pipeline needs at least one node")
    if len(scope.types) == len(definition.nodes):
        return
    first: dict[str, int] = {}
    for index, node in enumerate(definition.nodes):
        before = first.setdefault(node.id, index)
        if before != index:
            text = f"duplicate node id '{node.id}': nodes[{before}] has it already"
            yield Problem("duplicate-id", f"nodes[{index}].id", text)


def _edge_problems(definition: PipelineDefinition, scope: InputScope) -> Steps[list[Problem]]:
    problems: list[Problem] = []
    types, seen = scope.types, set[tuple[str, str, str | None, str]]()
    for index, edge in enumerate(definition.edges):
        source, target, condition = edge.from_node, edge.to_node, edge.condition
        key = (source, target, condition, edge.when)
        if source not in types or source == target or key in seen or types.get(target, "trigger") == "trigger":
            problems += _wrong_ends(index, edge, scope.types, again=key in seen)
        seen.add(key)
        if condition is not None:
            problems += _condition_problems(f"edges[{index}].condition", edge, condition, scope)
        if not index % STEP:
            yield
    yield from let_go(seen)
    return problems


def _wrong_ends(index: int, edge: PipelineEdge, types: dict[str, str], *, again: bool) -> Iterator[Problem]:
    where = f"edges[{index}]"
    yield from _unknown_ends(index, edge, types)
    if edge.from_node == edge.to_node:
        yield Problem("self-edge", where, f"edge '{edge.arrow}' leads back to its own node: a cycle of one")
    if again:
        yield Problem("duplicate-edge", where, f"duplicate edge '{edge.arrow}': remove one of the two")
    if types.get(edge.to_node) == "trigger":
        text = f"edge '{edge.arrow}' leads to trigger '{edge.to_node}': triggers have no incoming edges"
        yield Problem("trigger-with-input", where, text)


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


def _order(definition: PipelineDefinition, scope: InputScope, problems: list[Problem]) -> Steps[list[str]]:
    """Find the topological order, or tell of a cycle; edges that are wrong in themselves were told."""
    known = scope.types
    ends = ((edge.from_node, edge.to_node) for edge in definition.edges)
    try:
        right = ((a, b) for a, b in ends if a != b and a in known and b in known) if problems else ends
        return (yield from ordering(known, right))
    except CycleError as error:
        problems.append(Problem("cycle", "edges", f"{error}; a pipeline has none: remove one of these edges"))
        return []


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
