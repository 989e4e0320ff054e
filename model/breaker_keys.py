"""Which breakers a pipeline's nodes ask: the keys that policies, fault plans and loads may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.plan import BUILT_IN, NO_BREAKER
from playbill.model.targets import split_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from playbill.model.definition import PipelineDefinition

__all__ = ["breaker_keys", "is_key"]


def breaker_keys(definition: PipelineDefinition) -> set[str]:
    """Give the keys of the breakers that a pipeline's nodes ask: types, names by hand, the type of `type/target`."""
    asking = [node for node in definition.nodes if node.type not in BUILT_IN and node.breaker != NO_BREAKER]
    keys = {node.breaker or node.type for node in asking}
    return keys | {node.breaker.partition("/")[0] for node in asking if node.breaker}


def is_key(key: str, keys: Collection[str]) -> bool:
    """Tell whether a key is one of `keys`, or `type/target` of one."""
    return key in keys or split_key(key, keys) is not None
