"""Calls that keep nobody: what a loop's timer calls it holds until then."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["weakly"]

P = ParamSpec("P")


def weakly(method: Callable[P, None]) -> Callable[P, None]:
    """Return what calls a method as long as somebody else holds its object."""
    held = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        if (bound := held()) is not None:
            bound(*args, **kwargs)

    return call
