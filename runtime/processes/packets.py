"""Messages with descriptors between a host and its spawner: each is one packet of a SOCK_SEQPACKET socket.

A message is plain data (marshal); what is too large for a packet travels in a memory file, whose descriptor is the
packet's last.
"""

from __future__ import annotations

import marshal
import os
import socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["receive", "send"]

_INLINE_BYTES: Final = 32 * 1024
_MAX_DESCRIPTORS: Final = 8
_WHOLE: Final = b"w"
_IN_FILE: Final = b"f"


def send(to: socket.socket, message: tuple[Any, ...], descriptors: Sequence[int] = ()) -> None:
    """Send one message; the descriptors stay the caller's.

    Raises:
        BlockingIOError: the socket does not block, and is full.
        OSError: the other end is closed.
    """
    data = marshal.dumps(message)
    if len(data) <= _INLINE_BYTES:
        socket.send_fds(to, [_WHOLE + data], [*descriptors])
        return
    file = os.memfd_create("playbill", os.MFD_CLOEXEC)
    try:
        with open(file, "wb", closefd=False) as whole:
            whole.write(data)
        os.lseek(file, 0, os.SEEK_SET)
        socket.send_fds(to, [_IN_FILE], [*descriptors, file])
    finally:
        os.close(file)


def receive(source: socket.socket) -> tuple[tuple[Any, ...], list[int]] | None:
    """Return the next message and its descriptors (not inherited by programs); None: the other end is closed.

    Raises:
        BlockingIOError: the socket does not block, and is empty.
    """
    flags = socket.MSG_CMSG_CLOEXEC
    try:
        data, descriptors, _, _ = socket.recv_fds(source, _INLINE_BYTES + 1, _MAX_DESCRIPTORS, flags)
    except ConnectionError:
        return None
    if not data:
        return None
    if data[:1] == _IN_FILE:
        with open(descriptors.pop(), "rb") as whole:  # noqa: PTH123 (it has no path)
            data = _WHOLE + whole.read()
    return marshal.loads(data[1:]), descriptors  # noqa: S302 (from our own program)
