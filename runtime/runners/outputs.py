"""Keeps what a handler returned: outputs are JSON-able mappings of a bounded size, and nobody can change them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError
from playbill.model.frozen import FrozenDict, freeze, freeze_flat
from playbill.model.jsonable import why_not_json

if TYPE_CHECKING:
    from playbill.model.definition import PipelineNode

MAX_BYTES: Final = 1024 * 1024
FLAT: Final = frozenset({str, int, bool, type(None)})
SHORT: Final = 2**53
"""Whole numbers up to here have no more digits than a float has characters."""
WIDEST_CHARACTER: Final = 4
"""Bytes a character takes in UTF-8 at most."""


def check_output(output: Any, node: PipelineNode, max_bytes: int = MAX_BYTES) -> FrozenDict:
    """Return `output` as it is kept and handed on: plain JSON, a copy, read-only.

    Raises:
        NodeConfigError: it is no mapping with string keys and JSON-able values, or larger than `max_bytes` as
            JSON in UTF-8; names the node, its type and the place.
    """
    # For every node, so without a cast, which is a call.
    exact = type(output) is dict
    kept: dict[str, Any] = output if exact else _mapping(output, node)  # pyright: ignore[reportUnknownVariableType]
    length = 0
    for key, item in kept.items():
        if type(key) is not str or type(item) not in FLAT:
            break
        length += len(key) + (len(item) if type(item) is str else WIDEST_CHARACTER)
        if type(item) is int and not -SHORT <= item <= SHORT:
            break
    else:
        if length * WIDEST_CHARACTER <= max_bytes:
            return freeze_flat(kept, node.id)
    if why := why_not_json(kept, "output"):
        raise _wrong(node, f"its {why}")
    frozen: FrozenDict = freeze(kept, node.id)
    size = len(json.dumps(frozen, ensure_ascii=False).encode(errors="surrogatepass"))
    if size > max_bytes:
        raise _wrong(
            node,
            f"its output is {size:,} bytes as JSON, over the limit of {max_bytes:,}: return a reference",
        )
    return frozen


def _mapping(output: object, node: PipelineNode) -> dict[str, Any]:
    if not isinstance(output, Mapping):
        raise _wrong(node, f"a handler returns a mapping such as {{'result': ...}}, not {type(output).__name__}")
    return dict(cast("Mapping[str, Any]", output))


def _wrong(node: PipelineNode, text: str) -> NodeConfigError:
    return NodeConfigError(f"node '{node.id}' (type '{node.type}'): {text}")
