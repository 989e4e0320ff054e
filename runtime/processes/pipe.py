"""A pipe of the system, whose ends are closed once, whoever closes them."""

from __future__ import annotations

import os
from typing import Self

__all__ = ["Pipe"]


class Pipe:
    """Two descriptors, not inherited by programs; as a context manager it closes both."""

    __slots__ = ("read", "write")

    def __init__(self) -> None:
        """Open it.

        Raises:
            OSError: no descriptor is free.
        """
        self.read, self.write = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close_read(self) -> None:
        """Close the reading end, unless it is closed."""
        if self.read >= 0:
            os.close(self.read)
            self.read = -1

    def close_write(self) -> None:
        """Close the writing end, unless it is closed."""
        if self.write >= 0:
            os.close(self.write)
            self.write = -1

    def close(self) -> None:
        """Close both ends."""
        self.close_read()
        self.close_write()

    def __repr__(self) -> str:
        return f"<Pipe read={self.read} write={self.write}>"
