"""The fault that a plan makes an actor of ours have: a message that no machine's table has a row for."""

from __future__ import annotations

from typing import Final

TEXT: Final = "<injected: the actor fails>"


class Injected:
    """What no actor can receive: each takes the way of a fault of its own."""

    def __repr__(self) -> str:
        return TEXT


INJECTED: Final = Injected()


def is_injected(text: str) -> bool:
    """Tell whether a failure comes of what was injected."""
    return f"cannot receive {TEXT}" in text
