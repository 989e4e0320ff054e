"""The host's end of a worker's socket: frames go out as the socket takes them, and come in whole."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final

from playbill.runtime.runners.workers import frames

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["TaskSocket"]

_CHUNK: Final = 64 * 1024


class TaskSocket:
    """A socket that never blocks; once it is closed, sending and receiving do nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ours: socket.socket,
        hear: Callable[[frames.ToHost], None],
        hung_up: Callable[[frames.BrokenFrame | None], None],
    ) -> None:
        """Call `hear` with what the worker says, `hung_up` when it has closed its end, is dead or talks nonsense."""
        self._loop = loop
        self._socket: socket.socket | None = ours
        self._hear = hear
        self._hung_up = hung_up
        self._reader = frames.Reader(frames.MAX_BYTES)
        self._unsent = bytearray()
        ours.setblocking(False)  # noqa: FBT003 (its only argument)
        loop.add_reader(ours.fileno(), self.receive)

    def send(self, frame: bytes) -> None:
        """Send a frame, now or as soon as there is room."""
        if self._socket is None:
            return
        if not self._unsent:
            try:
                sent = self._socket.send(frame)
            except BlockingIOError:
                sent = 0
            except ConnectionError:  # it is dead: we shall hear so
                return
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._loop.add_writer(self._socket.fileno(), self._send_more)
        self._unsent += frame

    def _send_more(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except ConnectionError:
                self._unsent.clear()
        if not self._unsent:
            self._loop.remove_writer(self._socket.fileno())

    def receive(self) -> bool:
        """Read once; False: there is nothing now."""
        if self._socket is None:
            return False
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self.close()
            self._hung_up(None)
            return False
        try:
            for frame in self._reader.feed(data):
                self._hear(frames.from_worker(frame))
        except frames.BrokenFrame as error:
            self.close()
            self._hung_up(error)
        return True

    def close(self) -> None:
        """Close our end, at which the worker ends."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        with contextlib.suppress(OSError):  # it is dead
            self._socket.shutdown(socket.SHUT_RDWR)  # what the host forked may hold this end open
        self._socket.close()
        self._socket = None
        self._unsent.clear()
