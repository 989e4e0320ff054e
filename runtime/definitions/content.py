"""What a definition says, to tell whether it still does: of an object by its parts, of a mapping by one key."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.definition import PipelineDefinition, share_names
from playbill.model.frozen import copied, no_config
from playbill.model.steps import STEP

if TYPE_CHECKING:
    from collections.abc import Collection

    from playbill.model.definition import PipelineEdge, PipelineNode
    from playbill.model.steps import Steps

OTHERS: Final = ("tags", "inputs", "outputs", "breakers", "imports")
"""The fields that hold what can be changed in place, besides nodes and edges."""
AT_ONCE: Final = 2000
"""So many nodes and edges are compiled in some 20 ms."""
SPARING: Final = 100_000
"""Of so many nodes and edges memory counts more than a few hundredths of the time."""
MOST_VALUES: Final = 3_000_000
MOST_CHARACTERS: Final = 16 * 1024 * 1024
"""What a mapping may hold that is known by what it says; a key takes about a tenth of the time of compiling."""
MARSHAL_VERSION: Final = 2
"""Later ones write down which values are one object: of equal mappings they would give different bytes."""


class Content(NamedTuple):
    """All of a definition that can be changed, for all that it is frozen; nodes and edges are equal at a glance."""

    nodes: list[PipelineNode]
    edges: list[PipelineEdge]
    others: list[Any]
    configs: dict[int, dict[str, Any]]
    """By the place of the node; of those that have one."""

    @classmethod
    def of(cls, definition: PipelineDefinition) -> Content:
        """Return what a definition says now; it is the definition's own."""
        configs = {place: node.config for place, node in enumerate(definition.nodes) if node.config}
        return cls(definition.nodes, definition.edges, [getattr(definition, name) for name in OTHERS], configs)

    def kept(self) -> Content:
        """Return a copy that stays as it is, whatever is done to the original."""
        return Content(list(self.nodes), list(self.edges), copied(self.others), copied(self.configs))


def owning(definition: PipelineDefinition, content: Content, *, is_fresh: bool) -> Steps[PipelineDefinition]:
    """Make a definition that says this, and of which nobody else holds anything that can be changed; in steps.

    Args:
        definition: what was given, or read.
        content: a copy of what it says.
        is_fresh: nobody else holds its nodes, so that they need not be copied: it was read from plain JSON.
    """
    if len(content.nodes) + len(content.edges) > SPARING:
        yield from _sparing(content)
    none = no_config()
    nodes: list[PipelineNode] = content.nodes if is_fresh else []
    for place, node in enumerate(content.nodes):
        config = content.configs.get(place, none)
        if is_fresh:
            node.take_config(config)
        else:
            nodes.append(node.with_config(config))
        if not place % STEP:
            yield
    others = dict(zip(OTHERS, content.others, strict=True))
    return definition.model_copy(update={**others, "nodes": nodes, "edges": content.edges})


def _sparing(content: Content) -> Steps[None]:
    for parts in (content.nodes, content.edges):
        for place, (one, other) in enumerate(pairwise(parts)):
            share_names(other, one)
            if not place % STEP:
                yield


def size_of(given: object) -> int:
    """Count the nodes and edges of a definition, or of a mapping; 0: they are not known before they are read."""
    if isinstance(given, Mapping):
        parts: list[object] = [cast("Mapping[str, object]", given).get(name) for name in ("nodes", "edges")]
        return sum(len(cast("list[object]", part)) for part in parts if isinstance(part, list))
    return len(given.nodes) + len(given.edges) if isinstance(given, PipelineDefinition) else 0


def is_large(definition: PipelineDefinition) -> bool:
    """Tell whether to compile a definition takes longer than others on the loop should wait."""
    return size_of(definition) > AT_ONCE


class Key(NamedTuple):
    """What is the same for mappings that say the same, written alike and in the same order, and for no others.

    1, 1.0, True and "1" are four.
    """

    digest: bytes
    written: bytes

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Key | None:
        """Return the key of a mapping; None: it has none: it is too large, or holds what plain JSON does not."""
        if not _is_short(mapping):
            return None
        try:
            written = marshal.dumps(cast("dict[str, Any]", mapping), MARSHAL_VERSION)
        except ValueError:
            return None
        return cls(blake2b(written, digest_size=32).digest(), written)

    @property
    def is_plain(self) -> bool:
        """Whether it can be told from others: all that is equal to a plain one is plain.

        What is marshalled is of exact types, but for buffers such as numpy's scalars: these are taken for bytes,
        which JSON refuses.
        """
        try:
            json.dumps(marshal.loads(self.written), check_circular=False)  # noqa: S302 (what we have just written)
        except (ValueError, TypeError, RecursionError):
            return False
        return True


def _is_short(mapping: object) -> bool:
    """Tell whether a key of bounded size says all of it: what stands in two places is written twice."""
    values, texts = MOST_VALUES, MOST_CHARACTERS
    left: list[Collection[Any]] = [[mapping]]
    while left:
        held = left.pop()
        values -= len(held)
        for item in held:
            kind = type(item)  # pyright: ignore[reportUnknownVariableType] (without a cast, which is a call)
            if kind is str or kind is bytes:
                texts -= len(item)
            elif kind is dict:
                left += ([*item], item.values())
            elif kind is list or kind is tuple:
                left.append(item)
        if values < 0 or texts < 0:
            return False
    return True
