"""A definition as a journal keeps it: plain JSON in which every default stands, and the hash of exactly that.

Rules:

1. Every field of the definition, its nodes, edges and policies is there, and of each config the defaults of its
   model, see config_defaults.py. So a playbill in which a default is another changes no run under way.
2. Nodes without `retry`, in a pipeline without a default for it, have the built-in policy: it stands in `defaults`.
   The policy of a node with `on_crash: fail`, which has one attempt if it does not write more, stands with the node.
3. What others decide stays open, as None: grace (the manager's), breaker (the type's), isolation and limits (the
   type's). A breaker that the definition has no policy for is not there either: breakers outlive a run.
4. Equal definitions have one hash, whether they were YAML, JSON, mappings or objects, and in whatever order the keys
   of their mappings stood. 1, 1.0, true and "1" are four values, and so are 0.0 and -0.0 two.
5. It is read back as strictly as a file. What a newer playbill wrote is refused by its `format`.

Weak spots: a journal keeps one text of equal definitions, so a handler that looks at the order of a mapping in its
config may see that of the first. What editors keep (`ui`, `position`) counts. Places in a file, and its folder,
are not kept: modules of `imports` that stand beside a file must be found some other way.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.builtin import BUILTIN
from playbill.model.config_defaults import config_with_defaults
from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode, definition_from
from playbill.model.errors import DefinitionError
from playbill.model.frozen import copied
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.policies import RetryPolicy, retry_policy_of
from playbill.model.steps import STEP, finished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from playbill.model.catalog import Catalog
    from playbill.model.steps import Steps

__all__ = ["FORMAT", "Pin", "canonical_json", "definition_hash", "definition_of", "pinning", "stored_form"]

FORMAT: Final = 1
"""Of the stored forms that are written; the only one that is read, too."""
_PIECE: Final = 1 << 20
"""Characters that are hashed in one step."""
_NODE_FIELDS: Final = tuple(sorted(PipelineNode.model_fields.keys() - {"next"}))
"""Sorted, as they are written."""
_EDGE_FIELDS: Final = tuple(
    (name, str(field.serialization_alias or name)) for name, field in PipelineEdge.model_fields.items()
)
_RETRY: Final = RetryPolicy()
_BY_HAND: Final = frozenset({"nodes", "edges", "inputs", "ui"})
_AS_NOW: Final[Mapping[str, object]] = {
    name: field.default for name, field in PipelineNode.model_fields.items() if not field.is_required()
}
"""What a node has that says nothing, in this playbill."""


class Pin(NamedTuple):
    """What a run is pinned to."""

    hash: str
    """The SHA-256 of the stored form's canonical JSON, in hex digits."""
    text: str
    """The stored form as JSON in ASCII, mappings in the order in which they are written."""


def stored_form(definition: PipelineDefinition, catalog: Catalog = BUILTIN) -> dict[str, Any]:
    """Return a definition as plain JSON with all defaults filled in; nothing in it is the definition's own.

    Args:
        definition: one without problems.
        catalog: the types of its nodes: whose models have the defaults of their configs.

    Raises:
        DefinitionError: something in it is not JSON; names the place.
    """
    return finished(_storing(definition, catalog))


def canonical_json(stored: Mapping[str, Any]) -> str:
    """Return the one text of a stored form: keys sorted by code points, no spaces, ASCII, floats by repr."""
    return finished(_writing(stored, _ENCODE))


def definition_hash(stored: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a stored form's canonical JSON, in hex digits: equal for equal definitions alone."""
    return finished(_hashing(canonical_json(stored)))


def pinning(definition: PipelineDefinition, catalog: Catalog) -> Steps[Pin]:
    """Make the text of a definition's stored form, and its hash, in steps.

    Raises:
        DefinitionError: something in it is not JSON; names the place.
    """
    stored = yield from _storing(definition, catalog)
    digest = yield from _hashing((yield from _writing(stored, _ENCODE)))
    return Pin(digest, (yield from _writing(stored, _AS_IT_STANDS)))


def definition_of(stored: Mapping[str, Any]) -> PipelineDefinition:
    """Read a definition back; whether its types are still known is told when it is compiled.

    Raises:
        DefinitionError: it is no stored form, a newer playbill wrote it, or it is no valid definition (any more);
            carries all problems.
    """
    _check_format(stored)
    fields = {name: copied(value) for name, value in stored.items() if name != "format"}
    if isinstance(fields.get("nodes"), list):
        fields["nodes"] = [_said_of_its_own(node) for node in fields["nodes"]]
    try:
        return definition_from(fields)
    except DefinitionError as error:
        raise DefinitionError(error.name, error.problems, "stored pipeline") from None


def _check_format(stored: Mapping[str, Any]) -> None:
    found = stored.get("format")
    if found is None:
        text = "this is not a stored definition: its 'format' is missing; load what people wrote with playbill.load"
        raise DefinitionError.single("no-format", "format", text)
    if type(found) is not int or found != FORMAT:
        text = f"written by a newer playbill: format {found!r:.20}, and this one reads {FORMAT}: upgrade playbill"
        raise DefinitionError.single("unknown-format", "format", text)


def _said_of_its_own(node: Any) -> Any:
    """Leave out what a node would have anyhow: nodes that say nothing of their own share their plans."""
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, Any]", node)
    return {name: value for name, value in fields.items() if name not in _AS_NOW or value != _AS_NOW[name]}


# ---- from a definition to plain JSON --------------------------------------------------------------------------


def _storing(definition: PipelineDefinition, catalog: Catalog) -> Steps[dict[str, Any]]:
    stored: dict[str, Any] = {"format": FORMAT, **definition.model_dump(mode="json", exclude=set(_BY_HAND))}
    if stored["defaults"]["retry"] is None:
        stored["defaults"]["retry"] = _RETRY.model_dump(mode="json")
    stored |= {name: _plain(getattr(definition, name), definition, name) for name in ("inputs", "ui")}
    stored["nodes"] = nodes = list[dict[str, Any]]()
    for index, node in enumerate(definition.nodes):
        nodes.append(_store_node(definition, index, node, catalog))
        if not index % STEP:
            yield
    stored["edges"] = edges = list[dict[str, Any]]()
    for index, edge in enumerate(definition.edges):
        made = {alias: getattr(edge, name) for name, alias in _EDGE_FIELDS}
        if edge.ui is not None:
            made["ui"] = _plain(edge.ui, definition, f"edges[{index}].ui")
        edges.append(made)
        if not index % STEP:
            yield
    return stored


def _store_node(definition: PipelineDefinition, index: int, node: PipelineNode, catalog: Catalog) -> dict[str, Any]:
    said = vars(node)
    made: dict[str, Any] = {name: said[name] for name in _NODE_FIELDS}
    if (node_type := catalog.get(node.type)) is not None:
        made["config"] = config_with_defaults(node, node_type)
    for name in ("config", "position", "ui"):
        if made[name] is not None:
            made[name] = _plain(made[name], definition, f"nodes[{index}].{name}") if made[name] else {}
    fails_in_crash = node.on_crash == "fail"
    if fails_in_crash:
        made["retry"] = retry_policy_of(node.retry, definition.defaults.retry or _RETRY, fails_in_crash=True)
    for name in ("retry", "limits"):
        policy: BaseModel | None = made[name]
        if policy is not None:
            made[name] = policy.model_dump(mode="json")
    return made


def _plain(value: object, definition: PipelineDefinition, where: str) -> Any:
    try:
        return plain_json(value, where)
    except NotJson as error:
        text = f"{error}; a run that outlives its process needs a definition of plain JSON: say it so"
        problem = DefinitionError.single("not-json", where, text).problems
        raise DefinitionError(definition.name, problem) from None


# ---- from plain JSON to one text and its hash -----------------------------------------------------------------

_ENCODE: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False).encode
_AS_IT_STANDS: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


def _writing(stored: Mapping[str, Any], encode: Callable[[object], str]) -> Steps[str]:
    """Write what an encoder writes of the whole, in steps."""
    parts: list[str] = []
    for name in sorted(stored):
        value = stored[name]
        text = (
            (yield from _writing_list(cast("list[object]", value), encode))
            if isinstance(value, list)
            else encode(value)
        )
        parts.append(f"{encode(name)}:{text}")
    return f"{{{','.join(parts)}}}"


def _writing_list(items: list[object], encode: Callable[[object], str]) -> Steps[str]:
    some: list[str] = []
    for begin in range(0, len(items), STEP):
        some.append(encode(items[begin : begin + STEP])[1:-1])
        yield
    return f"[{','.join(some)}]"


def _hashing(text: str) -> Steps[str]:
    digest = sha256()
    for begin in range(0, len(text), _PIECE):
        digest.update(text[begin : begin + _PIECE].encode("ascii"))
        yield
    return digest.hexdigest()
