"""Keeps what a handler returned: outputs are JSON-able mappings of a bounded size, and nobody can change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError
from playbill.model.frozen import FrozenDict, freeze, freeze_flat
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.sizes import MAX_BYTES, json_size

if TYPE_CHECKING:
    from playbill.model.definition import PipelineNode

FLAT: Final = frozenset({str, int, bool, type(None)})
SHORT: Final = 2**53
"""Whole numbers up to here have no more digits than a float has characters."""
WIDEST_CHARACTER: Final = 4
"""Bytes a character takes in UTF-8 at most."""


def check_output(output: Any, node: PipelineNode, max_bytes: int = MAX_BYTES) -> FrozenDict:
    """Return `output` as it is kept and handed on: a mapping of plain JSON (see jsonable.py), a copy, read-only.

    Of None the mapping is empty; what is none as JSON stands in it as `result`.

    Raises:
        NodeConfigError: JSON cannot say it, or it is larger than `max_bytes` as JSON in UTF-8; names the node, its
            type and the place.
    """
    if type(output) is dict:  # a short way for most nodes, so without a cast, which is a call
        kept: dict[str, Any] = output  # pyright: ignore[reportUnknownVariableType]
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
    try:
        plain = plain_json(cast("object", output), "output")
    except NotJson as error:
        raise _wrong(node, f"its {error}") from error.__cause__
    frozen: FrozenDict = freeze(_as_mapping(plain), node.id)
    size = json_size(frozen)
    if size > max_bytes:
        raise _wrong(
            node,
            f"its output is {size:,} bytes as JSON, over the limit of {max_bytes:,}: return a reference",
        )
    return frozen


def _as_mapping(plain: Any) -> dict[str, Any]:
    if plain is None:
        return {}
    return cast("dict[str, Any]", plain) if isinstance(plain, dict) else {"result": plain}


def _wrong(node: PipelineNode, text: str) -> NodeConfigError:
    return NodeConfigError(f"node '{node.id}' (type '{node.type}'): {text}")
