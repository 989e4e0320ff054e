"""Which keys an expression can find, as far as a definition says: what nobody gives is refused before the run.

Rules:

1. A built-in type gives what its output model names, a trigger what a closed schema of the inputs names. Of any other
   everything is accepted.
2. A node that may fail and go on gives `error`, too: by edges of `when: failure` or `always`, by `on_error:
   continue`.
3. `input` is told only where somebody gives something; `error` may always be there, of a delay that failed.
4. Of a built-in type whose errors are known, `error` has what it names, and what every error has.
5. What `has(...)` or `'key' in x` asks for is accepted, in all of the expression.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from playbill.model.cel_paths import plain_path
from playbill.model.cel_shape import all_paths, shape_of
from playbill.model.cel_tokens import signs_of
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import Problem
from playbill.model.expressions import input_key
from playbill.model.outputs import keys_given
from playbill.model.plan import BUILT_IN, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from playbill.model.catalog import ActionType, Catalog, NodeType
    from playbill.model.cel_paths import Keys
    from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode

__all__ = ["RUN_KEYS", "KnownKeys", "paths_of_condition", "paths_read"]

_GUARD = re.compile(r"""(['"])([^'"\\]*)\1\s+in\s+([A-Za-z_]\w*(?:\.\w+|\[['"][^'"\\]*['"]\])*)""")
RUN_KEYS: Final = ("id", "pipeline", "attempt")
"""What a template finds in `run`."""
OF_EVERY_ERROR: Final = ("type", "message", "retryable")
"""What `error` has whatever failed."""
_PASSES_ON: Final = frozenset({Kind.PARALLEL, Kind.DELAY})
_TOLD_BY_SCHEMA: Final = frozenset({
    "type", "properties", "required", "additionalProperties", "title", "description", "default", "examples",
    "$schema", "$id", "$comment", "minProperties", "maxProperties",
})  # fmt: skip
"""What a schema may say without other keys being right."""


class KnownKeys:
    """What the nodes of a definition are known to give."""

    def __init__(self, definition: PipelineDefinition, catalog: Catalog) -> None:
        self._definition = definition
        self._catalog = catalog
        self.trigger = _of_schema(definition.inputs)
        """Of the run's data; None: unknown."""

    @cached_property
    def _nodes(self) -> dict[str, PipelineNode]:
        return {node.id: node for node in self._definition.nodes}  # only expressions ask

    @cached_property
    def _when(self) -> dict[str, set[str]]:
        """Which outcomes of a node its edges are for; only expressions ask."""
        found: dict[str, set[str]] = {}
        for edge in self._definition.edges:
            found.setdefault(edge.from_node, set()).add(edge.when)
        return found

    def of(self, node: str) -> Collection[str] | None:
        """Give what a node that completed gives; None: unknown."""
        found, worker = self._nodes.get(node), self._worker(node)
        if found is not None and found.type == Kind.TRIGGER:
            return self.trigger
        return None if worker is None or worker.output is None else tuple(keys_given(worker.output))

    def carried(self, node: str) -> Collection[str] | None:
        """Give what others find under a node's id, `error` included where it may be there."""
        keys, found = self.of(node), self._nodes.get(node)
        when = self._when.get(node, set())
        if keys is None or found is None:
            return None
        if found.on_error == "continue" or not when.isdisjoint({"failure", "always"}):
            return ("error",) if when == {"failure"} else (*keys, "error")
        return keys

    def of_error(self, node: str) -> Collection[str] | None:
        """Give what a node's `error` has; None: unknown."""
        worker = self._worker(node)
        return None if worker is None or worker.error is None else (*OF_EVERY_ERROR, *keys_given(worker.error))

    def on(self, edge: PipelineEdge) -> Collection[str] | None:
        """Give what `output` may have on an edge."""
        keys, found = self.of(edge.from_node), self._nodes.get(edge.from_node)
        if keys is None or found is None:
            return None
        if edge.when == "success" and found.on_error != "continue":
            return keys
        return ("error",) if edge.when == "failure" else (*keys, "error")

    def merged(self, nodes: Iterable[str]) -> Collection[str] | None:
        """Give what `input` may have, which is made of what these nodes gave; None: unknown."""
        merged: dict[str, None] = {}
        for node in nodes:
            kind = self._nodes[node].type if node in self._nodes else ""
            if kind == Kind.CONDITION or kind in _PASSES_ON:
                continue
            keys = self.carried(node)
            if keys is None:
                return None
            merged |= dict.fromkeys(keys)
        return (*merged, "error") if merged else None

    def problems(
        self,
        paths: set[Keys],
        where: str,
        subject: str,
        sources: Collection[str],
        roots: Mapping[str, Collection[str] | None],
    ) -> Iterator[Problem]:
        """Tell which keys an expression reads that nobody gives.

        Args:
            paths: What it reads.
            where: Its place in the definition.
            subject: Names its owner in the messages.
            sources: The nodes whose outputs are in `inputs`.
            roots: The keys of other roots, and of what does not give what it gives to others (`inputs.a`); None:
                unknown.
        """
        for path in sorted(paths):
            for depth in range(1, len(path)):
                key = path[depth]
                keys, giver = self._known_at(path[:depth], sources, roots)
                if keys is not None and key not in keys:
                    told = f"{subject}: {'.'.join(path[: depth + 1])}: {giver} gives no '{key}'"
                    hint = f"{did_you_mean(key, keys)}; it gives: {list_names(keys)}"
                    yield Problem("unknown-key", where, f"{told}{hint}")
                    break

    def _known_at(
        self, path: Keys, sources: Collection[str], roots: Mapping[str, Collection[str] | None]
    ) -> tuple[Collection[str] | None, str]:
        """Give the keys at a path, and what gives them."""
        match path:
            case ("inputs", node) if node in sources and node in self._nodes:
                return roots.get(f"inputs.{node}", self.carried(node)), self._describe(self._nodes[node])
            case ("inputs", node, "error") if node in sources and node in self._nodes:
                return self.of_error(node), f"the error of {self._describe(self._nodes[node])}"
            case ("inputs", *_):
                return None, ""
            case _:
                return roots.get(".".join(path)), f"'{'.'.join(path)}'"

    def at_node(self, sources: Collection[str]) -> dict[str, Collection[str] | None]:
        """Give what a node finds in its roots, of which `inputs` has these nodes."""
        return {"input": self.merged(sources), "trigger": self.trigger, "run": RUN_KEYS}

    def at_edge(self, edge: PipelineEdge, sources: Collection[str]) -> dict[str, Collection[str] | None]:
        """Give what an edge's condition finds in its roots."""
        source = edge.from_node
        output = self.on(edge)
        found = self._nodes.get(source)
        if found is not None and found.type in BUILT_IN and found.type != Kind.TRIGGER:
            merged = self.merged([node for node in sources if node != source])
            merged = merged if merged is None or edge.when == "success" else (*merged, "error")
        else:
            merged = output
        return {
            "output": output,
            "output.error": self.of_error(source),
            f"inputs.{source}": output,
            "input": merged,
            "trigger": self.trigger,
        }

    def _worker(self, node: str) -> NodeType | ActionType | None:
        """Give who does a node's work; None: unknown."""
        found = self._nodes.get(node)
        node_type = None if found is None else self._catalog.get(found.type)
        return None if found is None or node_type is None else node_type.worker(found)

    def _describe(self, node: PipelineNode) -> str:
        worker = str(node.config.get("action", node.type)) if node.type == "action" else node.type
        return f"node '{node.id}' ({worker})"


def paths_of_condition(text: str) -> set[Keys]:
    """Give what a condition reads, which may be the short form `input.key`."""
    key = input_key(text)
    return {("input", key)} if key else paths_read(text)


def paths_read(text: str) -> set[Keys]:
    """Give the paths that an expression reads, but for those that it asks for with `has(...)`."""
    paths = all_paths(shape_of(text))
    asked = _asked_for(text) if "has" in text or " in " in text else set[Any]()
    return {path for path in paths if not any(path[: len(each)] == each for each in asked)}


def _asked_for(text: str) -> set[Keys]:
    signs = [*signs_of(text), "", ""]
    found: set[Keys] = set()
    for place in range(len(signs) - 2):
        if signs[place : place + 2] == ["has", "("] and ")" in signs[place:]:
            found |= all_paths(shape_of(" ".join(signs[place + 2 : signs.index(")", place)])))
    for guard in _GUARD.finditer(text) if " in " in text else ():
        if path := plain_path(guard[3]):
            found.add((path.root, *map(str, path.steps), guard[2]))
    return found


def _of_schema(schema: Mapping[str, Any] | None) -> Collection[str] | None:
    if schema is None or schema.get("additionalProperties") is not False or not schema.keys() <= _TOLD_BY_SCHEMA:
        return None
    properties: Mapping[str, Any] = schema.get("properties", {})
    return tuple(properties) if isinstance(properties, dict) else None
