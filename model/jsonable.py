"""Tells why a value cannot be written as JSON, and whether two values are the same to it."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final, cast

__all__ = ["same_json", "why_not_json"]

DEEPEST: Final = 100
MOST_BITS: Final = 14_281
"""A whole number of up to so many bits has at most 4,300 digits, which is as many as Python writes as text."""


def why_not_json(value: Any, name: str) -> str | None:
    """Return which part of `value` JSON cannot say, and why; None: it can say it all.

    Depth first, so that a value that contains itself ends at the deepest level.

    Args:
        value: mappings, lists and scalars.
        name: what to call it, such as `output`; the path to the part is appended.
    """
    stack: list[tuple[str, object, int]] = [(name, value, 0)]
    while stack:
        path, item, depth = stack.pop()
        if depth > DEEPEST:
            return f"{name} is nested more than {DEEPEST} deep, or contains itself: {path:.60}..."
        if isinstance(item, dict):
            for key, inner in cast("dict[object, object]", item).items():
                if not isinstance(key, str):
                    return f"{path} has the key {key!r}, and keys are strings"
                stack.append((f"{path}.{key}", inner, depth + 1))
        elif isinstance(item, list | tuple):
            items = enumerate(cast("list[object]", item))
            stack.extend((f"{path}[{index}]", inner, depth + 1) for index, inner in items)
        elif why := _why_not_scalar(item):
            return f"{path} {why}"
    return None


def _why_not_scalar(item: object) -> str | None:
    if isinstance(item, float):
        return None if isfinite(item) else f"is {item}, which JSON cannot say"
    if isinstance(item, int):
        too_long = item.bit_length() > MOST_BITS
        return "has more than 4,300 digits, which Python does not write as text" if too_long else None
    return None if item is None or isinstance(item, str) else f"is {type(item).__name__}, which JSON cannot say"


def same_json(one: object, other: object) -> bool:
    """Tell whether two values that JSON can say are the same to it: 1 is 1.0, and neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[str, object]", one), cast("dict[str, object]", other)
        return left.keys() == right.keys() and all(same_json(item, right[key]) for key, item in left.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        items, others = cast("list[object]", one), cast("list[object]", other)
        return len(items) == len(others) and all(map(same_json, items, others))
    return one == other
