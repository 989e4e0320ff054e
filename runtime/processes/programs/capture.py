"""Keeps the head and the tail of a stream of bytes, however long it is."""

from __future__ import annotations

__all__ = ["Capture"]


class Capture:
    """At most `limit` bytes of what it was fed: the first half of them and the last."""

    __slots__ = ("_head", "_head_room", "_left_out", "_tail", "_tail_room")

    def __init__(self, limit: int) -> None:
        self._head, self._tail = bytearray(), bytearray()
        self._head_room = limit // 2
        self._tail_room = limit - self._head_room
        self._left_out = 0

    def __repr__(self) -> str:
        return f"<Capture of {len(self._head) + len(self._tail)} bytes, {self._left_out} left out>"

    @property
    def truncated(self) -> bool:
        """Whether bytes were left out."""
        return self._left_out > 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._head_room - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if (over := len(self._tail) - self._tail_room) > 0:
            del self._tail[:over]
            self._left_out += over

    def text(self) -> str:
        """Give what was kept as text, with a line in its middle that tells how much was left out."""
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return f"{head}\n... {self._left_out} bytes left out ...\n{tail}"
