"""The trace: each message as it was received, written without what differs from run to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from msgspec import Struct

from playbill.actors.reference import Inbox
from playbill.actors.shell import Shell
from playbill.model.wording import clip

MAX_SHOWN: Final = 100
"""Characters of one value."""
HIDDEN: Final = frozenset({"traceback", "kinds", "told"})
"""Fields of messages that are left out."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, as it was received."""

    at: float
    sender: str
    to: str
    message: str
    was: str
    became: str

    def __str__(self) -> str:
        states = self.was if self.was == self.became else f"{self.was} -> {self.became}"
        return f"{self.at:12.3f}  {self.sender} -> {self.to}  {self.message}  [{states}]"


def state_of(shell: Shell[Any]) -> str:
    """Return what traces call an actor's state."""
    return "ended" if shell.ended else str(shell.machine.state)


def name_of(actor: object) -> str:
    """Return what traces call an actor."""
    if isinstance(actor, Inbox):
        actor = actor.actor
    return actor.actor_urn if isinstance(actor, Shell) else "(outside)"


def describe(message: object) -> str:
    """Write a message without what differs from run to run."""
    if isinstance(message, Shell):
        return message.actor_urn
    if isinstance(message, dict):
        items = cast("dict[object, object]", message).items()
        return "{" + ", ".join(f"{key}: {describe(value)}" for key, value in items) + "}"
    if isinstance(message, Struct):
        told = [(name, getattr(message, name)) for name in message.__struct_fields__ if name not in HIDDEN]
        inner = ", ".join(f"{name}={describe(value)}" for name, value in told if value is not None)
        return f"{type(message).__name__}({inner})"
    if isinstance(message, datetime):
        return message.isoformat()
    if type(message).__repr__ is object.__repr__:
        return f"<{type(message).__name__}>"
    text = message if isinstance(message, str) else repr(message)
    return clip(text, MAX_SHOWN)
