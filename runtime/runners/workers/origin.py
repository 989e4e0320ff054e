"""Where a handler's module was loaded from: two modules of one name shall not stand for each other."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_origin", "origin_of"]


def origin_of(handler: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the name of a handler's module and its file in this process; None: it has no file of its own."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    name = getattr(handler, "__module__", None)
    file = getattr(sys.modules.get(name), "__file__", None) if isinstance(name, str) else None
    if (
        name is None or name == "__main__" or not isinstance(file, str)
    ):  # the main module has another name in a process
        return None
    return name, os.path.realpath(file)


def check_origin(handler: Callable[..., Any], host: tuple[str, str] | None) -> None:
    """Refuse a handler whose module is another one in the host.

    Raises:
        NodeConfigError: it is; names both files.
    """
    here = origin_of(handler)
    if here is not None and host is not None and here != host:
        raise NodeConfigError(
            f"its module '{host[0]}' is {host[1]} in the host, and {here[0]} is {here[1]} in a process: give one of"
            " two modules of one name another name"
        )
