"""A number in memory that a worker shares with its host: which attempt's handler began last.

It is set without a word to the host, which looks when an attempt has ended: was its handler's code entered?
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final

__all__ = ["StartedMark", "shared_memory"]

_NUMBER: Final = struct.Struct("<Q")


class StartedMark:
    """One worker's mark, at the host or at the worker."""

    def __init__(self, descriptor: int) -> None:
        """Map what a descriptor shares; it may be closed then."""
        self._memory = mmap.mmap(descriptor, _NUMBER.size)

    @property
    def serial(self) -> int:
        """The attempt whose handler began last."""
        return int(_NUMBER.unpack_from(self._memory)[0])

    def set(self, serial: int) -> None:
        """Tell that the handler of an attempt begins."""
        _NUMBER.pack_into(self._memory, 0, serial)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()


def shared_memory() -> int:
    """Return a new descriptor of a mark's memory."""
    descriptor = os.memfd_create("playbill-started-mark", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _NUMBER.size)
    return descriptor
