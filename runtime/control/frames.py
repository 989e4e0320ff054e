"""What goes over the socket: frames of JSON, each behind its length in four bytes, with the protocol's version."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEADER_BYTES", "VERSION", "MalformedFrame", "decoded", "encoded", "error_frame", "is_ours", "length_in"]

VERSION: Final = 1
MAX_BYTES: Final = 1024 * 1024
"""Of a frame; more is refused unread."""
HEADER: Final = struct.Struct(">I")
HEADER_BYTES: Final = HEADER.size
CREDENTIALS: Final = struct.Struct("3i")
"""Linux: the peer's pid, uid and gid."""


class MalformedFrame(Exception):
    """What came is not a frame: nobody knows where the next one begins."""


def encoded(frame: Mapping[str, Any]) -> bytes:
    """Return a frame as bytes.

    Raises:
        MalformedFrame: it is too large.
    """
    body = json.dumps(frame, separators=(",", ":")).encode()
    if len(body) > MAX_BYTES:
        raise MalformedFrame(f"a frame has {len(body):,} bytes, over the limit of {MAX_BYTES:,}")
    return HEADER.pack(len(body)) + body


def length_in(header: bytes) -> int:
    """Return how long the body is that follows.

    Raises:
        MalformedFrame: it is too long.
    """
    length: int = HEADER.unpack(header)[0]
    if length > MAX_BYTES:
        raise MalformedFrame(f"a frame of {length:,} bytes is announced, over the limit of {MAX_BYTES:,}")
    return length


def decoded(body: bytes) -> dict[str, Any]:
    """Return the frame that a body says.

    Raises:
        MalformedFrame: it is not a JSON object.
    """
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedFrame(f"a frame is not JSON: {error}") from error
    if not isinstance(frame, dict):
        raise MalformedFrame(f"a frame is a JSON object, not {body[:60]!r}")
    return cast("dict[str, Any]", frame)


def error_frame(kind: str, text: str) -> dict[str, Any]:
    """Return the answer that refuses something.

    Args:
        kind: for programs: unknown-run, request, journal, closing, internal.
        text: for people.
    """
    return {"version": VERSION, "error": {"kind": kind, "text": text}}


def is_ours(connection: socket.socket) -> bool:
    """Tell whether the process at the other end is of this user, or of root, who may do all anyway.

    Where the system does not tell, the socket's mode alone keeps others out.
    """
    option: int | None = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    peer = connection.getsockopt(socket.SOL_SOCKET, option, CREDENTIALS.size)
    return CREDENTIALS.unpack(peer)[1] in {os.geteuid(), 0}
