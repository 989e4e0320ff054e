"""Messages with descriptors between a host and its spawner: each is one packet of a SOCK_SEQPACKET socket.

On the wire a message is its kind's name and its fields as plain data (marshal); what is too large for a packet
travels in a memory file, whose descriptor is the packet's last.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CommandOrder", "ExitedReport", "Message", "RefusedReport", "StartedReport", "SweepOrder", "SweptReport",
    "Truncated", "WorkerOrder", "duplicates", "receive", "send",
]  # fmt: skip

_INLINE_BYTES: Final = 32 * 1024
_MAX_DESCRIPTORS: Final = 8
_WHOLE: Final = b"w"
_IN_FILE: Final = b"f"


class WorkerOrder(NamedTuple):
    """To the spawner: fork a worker; with descriptors of its socket, stdout, stderr and StartedMark."""

    number: int
    """Of the order; the answer names it."""
    module: str
    """Whose `serve(task, started_mark)` the worker calls; imported with the first order that names it."""


class CommandOrder(NamedTuple):
    """To the spawner: start a program; with descriptors of its stdin, if it has one, its stdout and stderr."""

    number: int
    argv: list[str]
    cwd: str
    environment: dict[str, str]
    has_stdin: bool


class SweepOrder(NamedTuple):
    """To the spawner: kill what is left of a leader that has exited, and bury it."""

    pid: int


class StartedReport(NamedTuple):
    """To the host: an order's process runs."""

    number: int
    pid: int


class RefusedReport(NamedTuple):
    """To the host: an order's process could not be started."""

    number: int
    errno: int | None
    text: str


class ExitedReport(NamedTuple):
    """To the host: a leader has exited; it is a zombie."""

    pid: int
    code: int
    """Negative: the signal that killed it."""


class SweptReport(NamedTuple):
    """To the host: nothing is left of a leader, but for the processes that SIGKILL did not end in time."""

    pid: int
    code: int
    orphans: list[int]


class Truncated(NamedTuple):
    """Stands for an order of which not all descriptors have come: none was free."""

    number: int


Message: TypeAlias = (
    WorkerOrder | CommandOrder | SweepOrder | StartedReport | RefusedReport | ExitedReport | SweptReport
)
_KINDS: Final[dict[str, type[Message]]] = {
    kind.__name__: kind
    for kind in (WorkerOrder, CommandOrder, SweepOrder, StartedReport, RefusedReport, ExitedReport, SweptReport)
}


def send(to: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message; the descriptors stay the caller's.

    Raises:
        BlockingIOError: the socket does not block, and is full.
        OSError: the other end is closed.
    """
    data = marshal.dumps((type(message).__name__, *message))
    if len(data) <= _INLINE_BYTES:
        if descriptors:
            socket.send_fds(to, [_WHOLE + data], [*descriptors])
        else:
            to.send(_WHOLE + data)
        return
    number = marshal.dumps(getattr(message, "number", 0))  # so that it can be answered should the file not come
    file = os.memfd_create("playbill", os.MFD_CLOEXEC)
    try:
        with open(file, "wb", closefd=False) as whole:
            whole.write(data)
        os.lseek(file, 0, os.SEEK_SET)
        socket.send_fds(to, [_IN_FILE + number], [*descriptors, file])
    finally:
        os.close(file)


def receive(source: socket.socket) -> tuple[Message | Truncated, list[int]] | None:
    """Return the next message and its descriptors (not inherited by programs); None: the other end is closed.

    Of a message whose descriptors have not all come there is only its number, and none is left open.

    Raises:
        BlockingIOError: the socket does not block, and is empty.
    """
    flags = socket.MSG_CMSG_CLOEXEC
    try:
        data, descriptors, said, _ = socket.recv_fds(source, _INLINE_BYTES + 1, _MAX_DESCRIPTORS, flags)
    except ConnectionError:
        return None
    if not data:
        return None
    if said & socket.MSG_CTRUNC:
        for descriptor in descriptors:
            os.close(descriptor)
        return Truncated(_number(data)), []
    if data[:1] == _IN_FILE:
        with open(descriptors.pop(), "rb") as whole:  # noqa: PTH123 (it has no path)
            data = _WHOLE + whole.read()
    name, *fields = marshal.loads(data[1:])  # noqa: S302 (from our own program)
    return _KINDS[name](*fields), descriptors


def _number(data: bytes) -> int:
    """Return the number of an order; only orders have descriptors that could be missing."""
    found = marshal.loads(data[1:])  # noqa: S302 (from our own program)
    return int(found if data[:1] == _IN_FILE else found[1])


def duplicates(descriptors: Sequence[int]) -> list[int]:
    """Return descriptors of our own of what these name, to be sent later.

    Raises:
        OSError: no descriptor is free; then none was made.
    """
    made: list[int] = []
    with contextlib.ExitStack() as on_error:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))
            on_error.callback(os.close, made[-1])
        on_error.pop_all()
    return made
