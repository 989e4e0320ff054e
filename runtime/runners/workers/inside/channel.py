"""A worker's end of the wire: frames of the host come in, frames of any of its threads go out whole."""

from __future__ import annotations

import os
import pickle
import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError
from playbill.model.plain_text import repr_of
from playbill.runtime.runners.workers import frames

if TYPE_CHECKING:
    from playbill.runtime.runners.workers.inside.interrupts import Interrupts

__all__ = ["Channel"]

_CHUNK: Final = 64 * 1024


class Channel:
    """Frames over the task socket; the worker ends when its host's end is closed."""

    def __init__(self, descriptor: int, interrupts: Interrupts) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._interrupts = interrupts
        self._arrived = select.poll()
        self._arrived.register(descriptor, select.POLLIN)
        self._lock = threading.RLock()
        self._reader = frames.Reader()
        self._frames: list[frames.ToWorker] = []
        self._is_forked = False
        self._cancelled = 0
        """The serial of the last attempt that was cancelled by a frame."""

    def disown(self) -> None:
        """In a process that a handler forked: a lock that another thread held is free, and reading is not for us."""
        self._lock = threading.RLock()
        self._is_forked = True

    def send(self, message: frames.ToHost) -> None:
        """Send a frame; from any thread.

        Raises:
            ValueError: something of it JSON cannot say, or it is too large.
        """
        frame = frames.to_host(message)
        with self._interrupts, self._lock:
            self._socket.sendall(frame)

    def next(self) -> frames.ToWorker:
        """Wait for the next frame that is not about cancelling; outside of attempts only."""
        while not self._frames:
            self._receive()
        return self._frames.pop(0)

    def is_cancelled(self, serial: int) -> bool:
        """Tell whether a frame has come that cancels attempt `serial`, without waiting for one."""
        with self._lock:
            has_arrived = bool(self._arrived.poll(0))
        if has_arrived:
            with self._interrupts, self._lock:
                while self._arrived.poll(0):
                    self._receive()
        return self._cancelled == serial

    def resource(self, name: str) -> Any:
        """Ask the host for a resource.

        Raises:
            NodeConfigError: it cannot be handed to a process.
            RuntimeError: we were forked by the handler: the answer would be its process's.
        """
        if self._is_forked:
            raise RuntimeError(f"resource '{name}' is first used in a process that the handler forked: use it before")
        with self._interrupts, self._lock:
            self._socket.sendall(frames.to_host(frames.AskFrame(name)))
            answer = cast("frames.AnswerFrame", self.next())  # within an attempt nothing else comes
        if answer.resource is None:
            raise NodeConfigError(answer.why_not)
        try:
            return pickle.loads(answer.resource)  # noqa: S301 (from our own host)
        except Exception as error:
            raise NodeConfigError(f"resource '{name}' cannot be made anew in a process: {repr_of(error)}") from error

    def _receive(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            os._exit(0)  # the host is done with us; what it left in the group, the spawner sweeps
        for frame in self._reader.feed(data):
            message = frames.from_host(frame)
            if isinstance(message, frames.CancelFrame):
                self._cancelled = message.serial
            else:
                self._frames.append(message)
