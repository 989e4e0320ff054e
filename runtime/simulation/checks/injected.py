"""The fault that a plan makes an actor of ours have: a message that no machine's table has a row for."""

from __future__ import annotations

from typing import Any, Final

TEXT: Final = "<injected: the actor fails>"


class Injected:
    """What no actor can receive: each takes the way of a fault of its own.

    Args:
        message: what the actor is about to be told; a breaker fails over the circuit that it is about.
    """

    __slots__ = ("target",)

    def __init__(self, message: Any) -> None:
        self.target = target_of(message)

    def __repr__(self) -> str:
        return TEXT


def target_of(message: Any) -> str:
    """Return the target of the circuit that a message to a breaker is about."""
    permit = getattr(message, "permit", None)
    return getattr(message if permit is None else permit, "target", None) or ""


def is_injected(text: str) -> bool:
    """Tell whether a failure comes of what was injected."""
    return f"cannot receive {TEXT}" in text
