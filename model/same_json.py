"""Tells whether two values are the same to JSON: where Python says that True is 1, JSON does not."""

from __future__ import annotations

from operator import is_
from typing import cast

__all__ = ["same_json", "same_written"]


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


def same_written(one: object, other: object) -> bool:
    """Tell whether two values are written alike: 1, 1.0 and True are three."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        left, right = cast("dict[str, object]", one), cast("dict[str, object]", other)
        return left.keys() == right.keys() and all(same_written(item, right[key]) for key, item in left.items())
    if isinstance(one, list | tuple):
        items, others = cast("list[object]", one), cast("list[object]", other)
        if len(items) != len(others):
            return False
        # Lists of the same objects, such as a definition's nodes, are seen to be alike at a glance.
        return all(map(is_, items, others)) or all(map(same_written, items, others))
    return one == other
