"""Checks what a handler returned: outputs are JSON-able mappings of a bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError

if TYPE_CHECKING:
    from playbill.model.definition import PipelineNode

MOST_BYTES: Final = 1024 * 1024
DEEPEST: Final = 100
FLAT: Final = frozenset({str, int, bool, type(None)})
WIDEST_CHARACTER: Final = 4
"""Bytes a character takes in UTF-8 at most."""


def checked(output: Any, node: PipelineNode, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Return `output` if it may be kept and handed on.

    Raises:
        NodeConfigError: it is no mapping with string keys and JSON-able values, or larger than `most_bytes` as
            JSON in UTF-8; names the node, its type and the place.
    """
    if type(output) is not dict:
        if not isinstance(output, Mapping):
            raise _wrong(node, f"a handler returns a mapping such as {{'result': ...}}, not {type(output).__name__}")
        output = dict(cast("Mapping[str, Any]", output))
    kept = cast("dict[str, Any]", output)
    length = 0
    for key, item in kept.items():
        kind: type[object] = type(item)
        if type(key) is not str or kind not in FLAT:
            break
        length += len(key) + (len(item) if kind is str else WIDEST_CHARACTER)
    else:
        if length * WIDEST_CHARACTER <= most_bytes:
            return kept
    _walk(kept, node)
    size = len(json.dumps(kept, ensure_ascii=False).encode(errors="surrogatepass"))
    if size > most_bytes:
        raise _wrong(
            node,
            f"its output is {size:,} bytes as JSON, over the limit of {most_bytes:,}: return a reference",
        )
    return kept


def _walk(output: dict[str, Any], node: PipelineNode) -> None:
    """Look at every value; depth first, so that a value that contains itself ends at the deepest level."""
    stack: list[tuple[str, object, int]] = [("output", output, 0)]
    while stack:
        path, item, depth = stack.pop()
        if depth > DEEPEST:
            raise _wrong(node, f"its output is nested more than {DEEPEST} deep, or contains itself: {path:.60}...")
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    raise _wrong(node, f"{path} has the key {key!r}, and keys are strings")
                stack.append((f"{path}.{key}", inner, depth + 1))
        elif isinstance(item, list | tuple):
            stack.extend(
                (f"{path}[{index}]", inner, depth + 1) for index, inner in enumerate(cast("list[Any]", item))
            )
        elif isinstance(item, float):
            if not isfinite(item):
                raise _wrong(node, f"{path} is {item}, which JSON cannot say")
        elif not (item is None or isinstance(item, str | int)):
            raise _wrong(node, f"{path} is {type(item).__name__}, which JSON cannot say")


def _wrong(node: PipelineNode, text: str) -> NodeConfigError:
    return NodeConfigError(f"node '{node.id}' (type '{node.type}'): {text}")
