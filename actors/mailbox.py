"""The mailbox: two lanes in one queue, control before data, each first in first out."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeAlias

from playbill.model.messages import CONTROL

Mail: TypeAlias = Any
"""A message, or an envelope of one that came from outside and may want an answer."""


class Mailbox(deque[Mail]):
    """The mail of one actor; `urgent` of its messages, at the front, are control."""

    __slots__ = ("urgent",)

    def __init__(self) -> None:
        super().__init__()
        self.urgent = 0

    def put(self, message: Mail) -> None:
        """Add a message to its class's lane."""
        if type(message) in CONTROL:
            self.insert(self.urgent, message)
            self.urgent += 1
        else:
            self.append(message)

    def put_control(self, message: Mail) -> None:
        """Add a message to the control lane, whatever its class."""
        self.insert(self.urgent, message)
        self.urgent += 1

    def take(self) -> Mail:
        """Remove and return the next message."""
        if self.urgent:
            self.urgent -= 1
        return self.popleft()
