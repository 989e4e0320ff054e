"""Keeps the head and the tail of a stream of bytes, however long it is."""

from __future__ import annotations

from typing import Final

from playbill.model.sizes import json_size

__all__ = ["Capture"]

_NOTE: Final = 64
"""Bytes for the line that tells how much was left out."""


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

    def fit(self, max_bytes: int) -> None:
        """Leave out more of the middle, until the text has at most so many bytes as JSON in UTF-8."""
        while (kept := len(self._head) + len(self._tail)) and (size := json_size(self.text())) > max_bytes:
            self._keep(max(0, kept * max_bytes // (size + _NOTE)))

    def _keep(self, limit: int) -> None:
        """Keep so many bytes, fewer than there are."""
        kept = self._head + self._tail
        self._left_out += len(kept) - limit
        self._head = kept[: limit // 2]
        self._tail = kept[len(kept) - (limit - limit // 2) :]

    def text(self) -> str:
        """Give what was kept as text, with a line in its middle that tells how much was left out."""
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return f"{head}\n... {self._left_out} bytes left out ...\n{tail}"
