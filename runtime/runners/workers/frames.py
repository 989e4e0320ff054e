"""Frames between a host and a worker: a length and so many bytes, which are a kind's name and its fields.

To the worker goes pickle, for it runs users' code anyway. To the host comes JSON, which can be no more than plain
data and announces no lengths; nothing from there is believed: not the length of a frame, nor what is in it.
"""

from __future__ import annotations

import json
import pickle
import struct
from operator import contains
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.workers.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_BYTES",
    "AnswerFrame",
    "AskFrame",
    "AttemptArguments",
    "BeatFrame",
    "BeganFrame",
    "BrokenFrame",
    "CancelFrame",
    "DoneFrame",
    "InitFrame",
    "LogFrame",
    "Reader",
    "RunFrame",
    "ToHost",
    "ToWorker",
    "from_host",
    "from_worker",
    "to_host",
    "to_worker",
]  # fmt: skip

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of a frame to the host: far above an output's limit."""


class BrokenFrame(Exception):
    """What a worker said is no frame of ours: its handler wrote to our socket, or to our memory."""


# ---- to the worker ------------------------------------------------------------------------------------------------


class InitFrame(NamedTuple):
    """The first frame: where the host's modules and files are, and how long the worker may live."""

    path: list[str]
    """sys.path."""
    home: str
    """The working directory."""
    environment: dict[str, str]
    resources: list[str]
    """Their names."""
    main_module: dict[str, Any]
    """How to import it; empty: there is none to find."""
    redaction: Redaction
    """Keeps secrets out of failures before they are cut."""
    max_attempts: int
    max_resident_bytes: int


class AttemptArguments(NamedTuple):
    """What an attempt does not share with the others of its handler and node; pickled by itself."""

    attempt: int
    run_id: str
    first_run: str | None
    trace: Mapping[str, str] | None
    trigger_data: Any
    inputs: Any
    node_config: Any
    """As it is rendered; None: as the node is defined."""
    config: Any
    """As it is parsed; None: the node's."""
    limits: Limits | None
    log_level: int
    """Below which the host wants to hear nothing."""


class RunFrame(NamedTuple):
    """Begin an attempt."""

    serial: int
    """Of the attempt; all that the worker says of it carries this."""
    needs_main: bool
    """Whether the main module has to be imported first."""
    handler_number: int
    handler: bytes | None
    """Handler, node and where the host has its module from, pickled; None: the worker has them by their number."""
    arguments: bytes
    """AttemptArguments, pickled."""


class CancelFrame(NamedTuple):
    """Should the attempt's handler not have begun, it never shall; SIGTERM follows."""

    serial: int


class AnswerFrame(NamedTuple):
    """A resource, pickled; or None and why not."""

    resource: bytes | None
    why_not: str


# ---- to the host --------------------------------------------------------------------------------------------------


class BeganFrame(NamedTuple):
    """The handler begins; told only of one that the worker did not know: importing it may take its time."""

    serial: int


class BeatFrame(NamedTuple):
    """A heartbeat."""

    serial: int
    progress: Any


class LogFrame(NamedTuple):
    """A line that the handler logged."""

    serial: int
    level: int
    text: str
    shown: bool
    """Whether the host's logger shall have it; else it is kept alone."""


class AskFrame(NamedTuple):
    """The handler wants a resource."""

    name: str


class DoneFrame(NamedTuple):
    """The attempt has ended."""

    serial: int
    ended: float
    """When, in monotonic seconds."""
    output: Any
    failure: list[Any] | None
    """A Failure's fields, in their order."""
    leaves: bool
    """Whether the worker ends, too."""


ToWorker: TypeAlias = InitFrame | RunFrame | CancelFrame | AnswerFrame
ToHost: TypeAlias = BeganFrame | BeatFrame | LogFrame | AskFrame | DoneFrame
_TO_WORKER: Final[dict[str, type[ToWorker]]] = {
    kind.__name__: kind for kind in (InitFrame, RunFrame, CancelFrame, AnswerFrame)
}
_ANYTHING: Final = (dict, list, str, int, float, bool, type(None))
_TO_HOST: Final[dict[str, tuple[type[ToHost], tuple[tuple[type, ...], ...]]]] = {
    "BeganFrame": (BeganFrame, ((int,),)),
    "BeatFrame": (BeatFrame, ((int,), _ANYTHING)),
    "LogFrame": (LogFrame, ((int,), (int,), (str,), (bool,))),
    "AskFrame": (AskFrame, ((str,),)),
    "DoneFrame": (DoneFrame, ((int,), (float,), (dict, type(None)), (list, type(None)), (bool,))),
}
"""Each with the types of its fields, as JSON has them."""


_ENCODER: Final = json.JSONEncoder()
_DECODER: Final = json.JSONDecoder()
"""Both as json.dumps and json.loads have them, which look for options first."""


def to_worker(message: ToWorker) -> bytes:
    """Return the whole frame, with its length."""
    return _frame(pickle.dumps((type(message).__name__, *message), pickle.HIGHEST_PROTOCOL))


def from_host(frame: bytes) -> ToWorker:
    """Return what a frame says, as `Reader` gives it."""
    name, *fields = pickle.loads(frame)  # noqa: S301 (from our own host)
    return _TO_WORKER[name](*fields)


def to_host(message: ToHost) -> bytes:
    """Return the whole frame, with its length.

    Raises:
        ValueError: something of it JSON cannot say, or it is too large.
    """
    try:
        data = _ENCODER.encode((type(message).__name__, *message)).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data):,} bytes as JSON cannot be told to the host, {MAX_BYTES:,} at most")
    return _frame(data)


def from_worker(frame: bytes) -> ToHost:
    """Return what a frame says, as `Reader` gives it.

    Raises:
        BrokenFrame: no worker of ours says that.
    """
    try:
        name, *fields = _DECODER.decode(frame.decode())
        kind, shape = _TO_HOST[name]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BrokenFrame(f"its process said {_excerpt(frame)}, which is no frame") from error
    if len(fields) != len(shape) or not all(map(contains, shape, map(type, fields))):
        raise BrokenFrame(f"its process said {_excerpt(frame)}, which is no {name}")
    return kind(*fields)


def _excerpt(frame: bytes) -> str:
    shown = 40
    return f"{frame[:shown]!r}{'...' if len(frame) > shown else ''}"


# ---- the stream ---------------------------------------------------------------------------------------------------

_HEADER: Final = struct.Struct("<I")


def _frame(data: bytes) -> bytes:
    return _HEADER.pack(len(data)) + data


class Reader:
    """Cuts a stream of bytes into frames; never holds more than has come."""

    __slots__ = ("_buffer", "_max_bytes")

    def __init__(self, max_bytes: int = 2**32) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the frames that are whole.

        Raises:
            BrokenFrame: a frame is announced that is too large.
        """
        buffer = self._buffer
        if not buffer and len(data) >= _HEADER.size and _HEADER.unpack_from(data)[0] == len(data) - _HEADER.size:
            return [data[_HEADER.size :]]  # as it nearly always is
        buffer += data
        found: list[bytes] = []
        begin = 0
        while len(buffer) - begin >= _HEADER.size:
            announced = _HEADER.unpack_from(buffer, begin)[0]
            if announced > self._max_bytes:
                raise BrokenFrame(
                    f"its process announced a frame of {announced:,} bytes; {self._max_bytes:,} at most"
                )
            end = begin + _HEADER.size + announced
            if len(buffer) < end:
                break
            found.append(bytes(buffer[begin + _HEADER.size : end]))
            begin = end
        del buffer[:begin]
        return found
