"""Asks the owner of a journal by its socket: for programs without a loop, such as the command line."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from playbill.model.errors import DefinitionError, JournalError, UnknownRun
from playbill.runtime.control.commands import UNKNOWN, request_of
from playbill.runtime.control.frames import (
    HEADER_BYTES,
    VERSION,
    MalformedFrame,
    decoded,
    encoded,
    is_ours,
    length_in,
)
from playbill.runtime.control.places import sockets_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ReachedOwner", "reach_owner"]

CONNECT_SECONDS: Final = 10.0


def reach_owner(journal: Path) -> ReachedOwner | None:
    """Return the owner of a journal's file; None: none answers, or its socket could not be made.

    Args:
        journal: the database, absolute and with no links in it.
    """
    for path in sockets_of(journal):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_SECONDS)
        with suppress(OSError):
            connection.connect(str(path))
            if is_ours(connection):
                return ReachedOwner(journal, connection)
        connection.close()
    return None


class ReachedOwner:
    """The owner of a journal, at the other end of a socket.

    Args:
        journal: the database.
        connection: to its owner.
    """

    def __init__(self, journal: Path, connection: socket.socket) -> None:
        self._journal = journal
        self._connection = connection

    def call(self, command: str, **asked: Any) -> Any:
        """Ask for something, and return the model of the answer.

        Args:
            command: one of COMMANDS.
            asked: what its model takes.

        Raises:
            UnknownRun: there is no such run.
            DefinitionError: the request is wrong.
            JournalError: the owner cannot do it, is too old to, is gone, or does not answer in time.
        """
        row, request = request_of(command, asked)
        frame = {"version": VERSION, "command": command, "request": request.model_dump(mode="json")}
        try:
            asked_for = encoded(frame)
        except MalformedFrame as too_large:
            raise DefinitionError.single("request", "request", f"'{command}': {too_large}") from too_large
        try:
            self._connection.settimeout(row.seconds)
            self._connection.sendall(asked_for)
            answer = decoded(self._take(length_in(self._take(HEADER_BYTES))))
            if (error := answer.get("error")) is None:
                return row.answer.model_validate(answer["reply"])
            kind, text = error["kind"], str(error["text"])
        except TimeoutError as error:
            text = f"has not answered '{command}' within {row.seconds:g} s, and may have done it: look at the run"
            raise JournalError(f"the owner of journal {self._journal} {text}") from error
        except OSError as error:
            text = f"went away before it answered '{command}', and may have done it: look at the run"
            raise JournalError(f"the owner of journal {self._journal} {text}") from error
        except (MalformedFrame, LookupError, TypeError, ValidationError) as error:
            text = f"answered '{command}' in a way that this playbill does not know: use the same version"
            raise JournalError(f"the owner of journal {self._journal} {text}") from error
        if kind == "request" and text.startswith(UNKNOWN):
            raise JournalError(self._too_old(command))
        raise _error_of(kind, text, asked)

    def _too_old(self, command: str) -> str:
        here: Any = self.call("ping")
        whose = f"is process {here.pid} with playbill {here.version}, which does not know '{command}'"
        return f"the owner of journal {self._journal} {whose}: end it, or have it use this version"

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._connection.recv(count - len(data))
            if not part:
                raise ConnectionResetError("the other end is closed")
            data += part
        return data

    def close(self) -> None:
        """Ask nothing more."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ReachedOwner of {self._journal}>"


def _error_of(kind: str, text: str, asked: dict[str, Any]) -> Exception:
    if kind == "unknown-run":
        return UnknownRun(str(asked.get("run")))
    if kind == "request":
        return DefinitionError.single("request", "request", text)
    return JournalError(text)
