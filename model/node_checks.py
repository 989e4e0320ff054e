"""Checks one node of a pipeline: its type, config, templates, condition and what is not there yet."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from playbill.model.cel_hints import hyphen_hint
from playbill.model.cel_tokens import node_references
from playbill.model.diagnostics import did_you_mean, list_names, path_of
from playbill.model.errors import Problem
from playbill.model.expressions import CONDITION_ROOTS, ExpressionError, compile_condition
from playbill.model.kinds import why_unknown
from playbill.model.known_keys import KnownKeys, paths_of_condition, paths_read
from playbill.model.plan import BUILT_IN
from playbill.model.policies import RetryPolicy
from playbill.model.templates import compile_template, strings_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playbill.model.catalog import Catalog, NodeType
    from playbill.model.cel_paths import Keys
    from playbill.model.definition import PipelineDefinition, PipelineNode

__all__ = ["InputScope", "node_problems", "retry_problems"]

_FOR_HANDLERS = ("retry", "timeout", "idle_timeout", "breaker", "on_open", "on_crash", "limits")
"""Fields that speak of attempts, and so of a handler; `isolation` is looked at for all types."""
_CHECKED: Final = frozenset({"isolation", *_FOR_HANDLERS})
"""Fields that may be wrong for all that their shape is right, besides type and config."""


class InputScope:
    """Whose outputs a node finds in `inputs`: its predecessors', and what transparent ones pass on."""

    def __init__(self, definition: PipelineDefinition, catalog: Catalog, types: dict[str, str]) -> None:
        self.known = KnownKeys(definition, catalog)
        self.types = types
        """Of the nodes, by id."""
        self.content_without_config: set[str] = set()
        """Types that were seen to need no config."""
        self._edges = definition.edges

    @cached_property
    def predecessors(self) -> dict[str, list[str]]:
        """The ids of the nodes before a node; only expressions ask."""
        found: dict[str, list[str]] = {}
        for edge in self._edges:
            found.setdefault(edge.to_node, []).append(edge.from_node)
        return found

    def of(self, node: str) -> set[str]:
        """Give the ids that may be in the `inputs` of this node."""
        seen: set[str] = set()
        waiting = [node]
        while waiting:
            for before in self.predecessors.get(waiting.pop(), ()):
                if before not in seen:
                    seen.add(before)
                    if self.types.get(before) in BUILT_IN:
                        waiting.append(before)
        return seen

    def problems(self, text: str, node: str, where: str, subject: str, *more: str) -> Iterator[Problem]:
        """Tell which ids an expression reads from `inputs` that are never there at this node.

        Args:
            text: The expression.
            node: Where it is evaluated.
            where: The expression's place in the definition.
            subject: Names the expression's owner in the messages.
            more: Ids that are there besides.
        """
        named = node_references(text) if "inputs" in text else set[str]()
        hint = f"; {told}" if named and (told := hyphen_hint(text, self.types)) else ""
        for name in sorted(named - {*self.of(node), *more} if named else named):
            start = f"{subject}: inputs['{name}']"
            if name not in self.types:
                yield Problem("unknown-node", where, f"{start} names no node of the pipeline{hint}")
            else:
                seen = list_names(sorted({*self.of(node), *more}))
                told = f"{start} is never there: '{node}' receives only the outputs of: {seen}{hint}"
                yield Problem("unreachable-input", where, told)

    def key_problems(self, paths: set[Keys], node: str, where: str, subject: str) -> Iterator[Problem]:
        """Tell which keys an expression of a node reads that nobody gives; see `problems`."""
        if paths:
            sources = self.of(node)
            yield from self.known.problems(paths, where, subject, sources, self.known.at_node(sources))


def node_problems(index: int, node: PipelineNode, catalog: Catalog, scope: InputScope) -> Iterable[Problem]:
    """Tell all that is wrong with one node in itself."""
    if node.type in scope.content_without_config and not node.config and node.says_none_of(_CHECKED):
        return ()  # most nodes of a large pipeline
    return _node_problems(index, node, catalog, scope)


def _node_problems(index: int, node: PipelineNode, catalog: Catalog, scope: InputScope) -> Iterator[Problem]:
    where = f"nodes[{index}]"
    subject = f"node '{node.id}'"
    node_type = catalog.get(node.type)
    if node_type is None:
        hint = f"{did_you_mean(node.type, catalog.names)}; types are: {list_names(catalog.names, 30)}"
        yield Problem("invalid-type", f"{where}.type", f"{subject} has invalid type '{node.type}'{hint}")
        return
    yield from _isolation_problems(node, node_type, where)
    if node.type in BUILT_IN:
        yield from _handler_problems(node, where)
    yield from retry_problems(node.retry, f"{where}.retry", f"node '{node.id}': retry")
    wrong = node_type.check(node.config, subject=subject, where=f"{where}.config")
    yield from wrong
    if not node.config:
        if not wrong:
            scope.content_without_config.add(node.type)
        return
    yield from _template_problems(node, node_type, scope, where)
    if node.type == "condition" and not wrong:
        yield from _condition_problems(node, scope, where)
    if node.type == "action" and node.config.get("action") == "execute_pipeline":
        text = f"{subject}: action 'execute_pipeline' is not supported yet"
        yield Problem("not-yet", f"{where}.config.action", text)


def _isolation_problems(node: PipelineNode, node_type: NodeType, where: str) -> Iterator[Problem]:
    subject, worker = f"node '{node.id}'", node_type.worker(node)
    if node.isolation == "process" and worker.inline_because:
        text = f"{subject}: isolation 'process' is not for '{worker.name}': {worker.inline_because}; leave it out"
        yield Problem("isolation", f"{where}.isolation", text)
    elif node.limits is not None and node.type not in BUILT_IN and node_type.isolation_of(node) != "process":
        text = f"{subject}: limits are kept by a process of its own: set isolation: process, or leave them out"
        yield Problem("isolation", f"{where}.limits", text)


def retry_problems(retry: RetryPolicy | None, where: str, subject: str) -> Iterator[Problem]:
    """Tell which classes of exceptions are none, as far as their modules are loaded.

    Args:
        retry: A policy; None: there is none.
        where: Its place in the definition.
        subject: What messages call it.
    """
    for field in ("on", "never") if retry is not None else ():
        for kind in getattr(retry, field):
            if why := why_unknown(str(kind)):
                yield Problem("unknown-exception", f"{where}.{field}", f"{subject}.{field}: {why}")


def _handler_problems(node: PipelineNode, where: str) -> Iterator[Problem]:
    """Tell what is set for a handler that there is none of; what only says what holds anyway is no fault."""
    anyway = {"retry": RetryPolicy(), "breaker": node.type, "on_crash": "retry", "on_open": "fail"}
    for name in _FOR_HANDLERS:
        value = getattr(node, name)
        if value is not None and value != anyway.get(name):
            shown = f" '{value}'" if isinstance(value, str) else f" {value:g}" if isinstance(value, float) else ""
            rule = f"is not for '{node.type}': playbill does its work itself, without a handler"
            instead = "set total_timeout, or leave it out" if name.endswith("timeout") else "leave it out"
            yield Problem("no-handler", f"{where}.{name}", f"node '{node.id}': {name}{shown} {rule}; {instead}")


def _template_problems(node: PipelineNode, node_type: NodeType, scope: InputScope, where: str) -> Iterable[Problem]:
    subject = f"node '{node.id}'"
    literal = node_type.literals(node.config)
    written = {key: value for key, value in node.config.items() if key not in literal}
    for location, text in strings_at(written, ("config",)):
        place, path = path_of(location, where), path_of(location)
        try:
            template = compile_template(text, node_type.roots) if node_type.templated else None
        except ExpressionError as error:
            yield Problem(error.code, place, f"{subject}: {path}: {error}")
            continue
        for expression in template.expressions if template else ():
            yield from scope.problems(expression.text, node.id, place, subject)
            yield from scope.key_problems(paths_read(expression.text), node.id, place, subject)


def _condition_problems(node: PipelineNode, scope: InputScope, where: str) -> Iterable[Problem]:
    subject, place = f"node '{node.id}'", f"{where}.config.condition"
    text = str(node.config["condition"])
    predecessors = scope.predecessors.get(node.id, ())
    try:
        compile_condition(text, predecessors=predecessors, roots=CONDITION_ROOTS)
    except ExpressionError as error:
        yield Problem(error.code, place, f"{subject}: condition: {error}")
    else:
        yield from scope.problems(text, node.id, place, subject)
        if text.strip() not in predecessors:
            yield from scope.key_problems(paths_of_condition(text), node.id, place, subject)
