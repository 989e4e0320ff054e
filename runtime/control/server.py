"""The owner's socket: others of the same user ask here for what only the owner of a journal can do.

1. It is there as long as the journal is owned: a socket that is left over is replaced, since the lock decides.
2. Who is slow, silent or wrong is cut off: nobody holds the loop, or more than one of a few connections.
3. A socket that cannot be made is warned of, and nothing else.
4. A fork does not serve it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import weakref
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.control.frames import (
    HEADER_BYTES,
    MalformedFrame,
    decoded,
    encoded,
    error_frame,
    is_ours,
    length_in,
)
from playbill.runtime.control.places import socket_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playbill.runtime.control.commands import Controlled

__all__ = ["ControlServer", "serve"]

logger = logging.getLogger("playbill")

MAX_CONNECTIONS: Final = 32
SILENCE_SECONDS: Final = 30.0
"""How long a connection may stand without a whole frame."""
TAKING_SECONDS: Final = 10.0
"""How long who has asked may take to take the answer."""


def serve(
    journal: Path, controlled: Callable[[], Controlled | None], loop: asyncio.AbstractEventLoop
) -> ControlServer | None:
    """Serve the socket of a journal that one owns; None: it cannot be made, which is warned of.

    Args:
        journal: the database.
        controlled: gives who has its runs; None: nobody does any more.
        loop: that of the runs.
    """
    try:
        return ControlServer(journal, controlled, loop)
    except OSError as error:
        said = f"{error.strerror or error}; runs can be controlled from this process alone"
        logger.warning("the control socket of journal %s cannot be made: %s", journal, said)
        return None


class ControlServer:
    """Answers requests, until it is closed.

    Args:
        journal: the database, which this process owns.
        controlled: gives who has its runs.
        loop: that of the runs.

    Raises:
        OSError: the socket cannot be made.
    """

    def __init__(
        self, journal: Path, controlled: Callable[[], Controlled | None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.path = socket_of(journal)
        self._journal = journal
        self._controlled = controlled
        self._loop = loop
        self._socket = _bound(self.path)
        self._key = _key_at(self.path)
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._is_closed = False
        OPEN.add(self)
        self._task = loop.create_task(self._begin(), name="playbill-control", context=Context())

    async def _begin(self) -> None:
        self._server = await asyncio.start_unix_server(self._talk, sock=self._socket)

    # ---- one connection ---------------------------------------------------------------------------------------

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other until nobody asks any more."""
        connection: socket.socket = writer.get_extra_info("socket")
        if self._is_closed or len(self._connections) >= MAX_CONNECTIONS or not is_ours(connection):
            writer.transport.abort()
            return
        self._connections.add(writer)
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits until all is taken
        try:
            with suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
                await self._answer_all(reader, writer)
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = decoded(await reader.readexactly(length_in(await reader.readexactly(HEADER_BYTES))))
            except MalformedFrame as error:
                await _send(writer, error_frame("request", f"{error}; this connection is closed"))
                return
            await _send(writer, await self._answer(frame))

    async def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        from playbill.runtime.control.answering import answer_to  # noqa: PLC0415 (most owners are asked nothing)
        from playbill.runtime.control.commands import ControlTarget  # noqa: PLC0415

        runs = self._controlled()
        if runs is None:
            return error_frame("closing", "the owner of this journal has let go of it: ask again")
        return await answer_to(frame, ControlTarget(runs, self._journal))

    # ---- its end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Cut all off, and take the socket away; also when its loop is closed."""
        if self._is_closed:
            return
        self._is_closed = True
        OPEN.discard(self)
        with suppress(RuntimeError):  # the loop is closed, and all that was on it over
            self._task.cancel()
            if self._server is not None:
                self._server.close()
            for writer in list(self._connections):
                writer.transport.abort()
        self.forget()
        with suppress(OSError):
            if _key_at(self.path) == self._key:  # else it is the next owner's
                self.path.unlink()

    def forget(self) -> None:
        """Hear nobody any more: all is another process's."""
        self._socket.close()

    def __repr__(self) -> str:
        return f"<ControlServer {self.path} {'closed' if self._is_closed else len(self._connections)}>"


async def _send(writer: asyncio.StreamWriter, frame: dict[str, Any]) -> None:
    try:
        data = encoded(frame)
    except MalformedFrame as error:
        data = encoded(error_frame("internal", f"the answer is too large: {error}"))
    async with asyncio.timeout(TAKING_SECONDS):
        writer.write(data)
        await writer.drain()


def _bound(path: Path) -> socket.socket:
    """Return a socket at a path that listens, for this user alone from its first moment on.

    Raises:
        OSError: it cannot be.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(made.fileno(), 0o600)
        _remove_left_over(path)
        made.bind(str(path))
        made.listen(MAX_CONNECTIONS)
        made.setblocking(False)  # noqa: FBT003 (as sockets are)
    except BaseException:
        made.close()
        raise
    return made


def _remove_left_over(path: Path) -> None:
    """Remove the socket of an owner that is dead, as the lock says.

    Raises:
        OSError: something else is there.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, f"{path} is there, and is not a socket: move it away")
        path.unlink()


def _key_at(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


OPEN: Final[weakref.WeakSet[ControlServer]] = weakref.WeakSet()
"""What serves in this process."""


def _forget_in_fork() -> None:
    for server in list(OPEN):
        server.forget()
    OPEN.clear()


os.register_at_fork(after_in_child=_forget_in_fork)
