"""Frames between a host and a worker: a length and so many bytes; what they say is in the kinds below.

To the worker goes pickle, for it runs users' code anyway; to the host comes marshal, which can be no more than plain
data.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = [
    "ANSWER", "ASK", "BEAT", "BEGAN", "CANCEL", "DONE", "HEADER", "INIT", "LOG", "RUN", "Reader", "framed",
]  # fmt: skip

# To the worker.
INIT: Final = "init"
"""sys.path, working directory, environment, names of the resources, how to import the main module."""
RUN: Final = "run"
"""serial, whether the main module is needed, job number, job or None if it is known, the attempt's arguments."""
CANCEL: Final = "cancel"
"""serial: should its handler not have begun, it never shall; SIGTERM follows."""
ANSWER: Final = "answer"
"""A resource as pickle, or None and why not."""

# To the host.
BEGAN: Final = "began"
"""serial; only of a job that the worker did not know: importing it may take its time."""
BEAT: Final = "beat"
"""serial, progress."""
LOG: Final = "log"
"""serial, level, text."""
ASK: Final = "ask"
"""A resource's name."""
DONE: Final = "done"
"""serial, when it ended (monotonic), output or None, failure's fields or None, whether the worker leaves."""

HEADER: Final = struct.Struct("<I")


def framed(data: bytes) -> bytes:
    """Return `data` as a frame."""
    return HEADER.pack(len(data)) + data


class Reader:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the frames that are whole."""
        buffer = self._buffer
        if not buffer and len(data) >= HEADER.size and HEADER.unpack_from(data)[0] == len(data) - HEADER.size:
            return [data[HEADER.size :]]  # as it nearly always is
        buffer += data
        found: list[bytes] = []
        begin = 0
        while len(buffer) - begin >= HEADER.size:
            end = begin + HEADER.size + HEADER.unpack_from(buffer, begin)[0]
            if len(buffer) < end:
                break
            found.append(bytes(buffer[begin + HEADER.size : end]))
            begin = end
        del buffer[:begin]
        return found
