"""Files of events, one a line: written as they happen, and read again line by line, whatever their size.

Whoever wrote a file may have been killed in the midst of its last line: one that begins an event and does not end it
is left out, and a warning is logged that names it. Any other line that is not an event is refused.
"""

from __future__ import annotations

import codecs
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from playbill.model.errors import DefinitionError, JournalError
from playbill.runtime.journals.codec import event_from_json, event_to_json

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from playbill.model.events import Event

__all__ = ["EventFile", "read_events"]

logger = logging.getLogger("playbill")

UTF_8: Final = codecs.getincrementaldecoder("utf-8-sig")


def read_events(path: str | os.PathLike[str]) -> Iterator[Event]:
    """Yield the events of a file; a last line that is torn is left out, with a warning.

    Raises:
        DefinitionError: it cannot be read, or a line is not an event; names the file and the line.
    """
    file = Path(path)
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                event = _event_of(line, f"{file}:{number}")
                if event is not None:
                    yield event
    except OSError as error:
        text = f"{file}: cannot be read: {error.strerror or error}"
        raise DefinitionError.single("unreadable", str(file), text) from error


def _event_of(line: bytes, where: str) -> Event | None:
    """Return the event that a line says; of a torn one none, with a warning."""
    try:
        text = UTF_8().decode(line)  # what a torn line has of its last character is left out
    except UnicodeDecodeError as error:
        raise DefinitionError.single("not-utf8", where, f"{where}: this is not UTF-8: {error}") from error
    if text.startswith("{") and not text.endswith("\n") and not _is_json(text):  # only a file's last line has no end
        logger.warning("%s: this last line is torn and was left out", where)
        return None
    return event_from_json(text, where)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError:
        pass  # too deep to tell, and who reads it says so
    return True


class EventFile:
    """Writes events to a file, one a line, each at once; what the file held before is gone.

    Raises:
        JournalError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise self._error(error) from error

    def write(self, event: Event) -> None:
        """Write an event, and let the operating system have it.

        Raises:
            JournalError: it cannot be written.
        """
        try:
            self._file.write(f"{event_to_json(event)}\n")
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Write no more.

        Raises:
            JournalError: what is left cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> JournalError:
        return JournalError(f"{self.path}: cannot be written: {error.strerror or error}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EventFile {self.path}>"
