"""What a journal refuses for good: a run id that is taken, and the events of who is its owner no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Fenced", "JournalAway", "JournalInUse", "JournalLost", "RunIdTaken"]


class JournalAway(JournalError):
    """The journal cannot be reached just now; what it has may be well."""


class JournalInUse(JournalError):
    """The journal has another owner, of this machine or of another one."""


class RunIdTaken(JournalError):
    """A run of this id is kept already; nothing of the new one is."""

    def __init__(self, run_id: str) -> None:
        """Take the id."""
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"the journal has a run '{self.run_id}' already: choose another id, or read that run"


class Fenced(JournalError):
    """Somebody else writes this stream, so that what is appended here is kept no more; its run is to be let go."""

    def __init__(self, stream: str, seq: int, why: str) -> None:
        """Take the stream, the seq of the event that cannot be kept, and what is there instead."""
        super().__init__(stream, seq, why)
        self.stream = stream
        self.seq = seq
        self.why = why

    def __str__(self) -> str:
        return f"event {self.seq} of '{self.stream}' cannot be kept: {self.why}; somebody else writes this stream"


class JournalLost(JournalError):
    """A journal's file is not its owner's any more: nothing is written to it by this one, ever again."""

    def __init__(self, journal: Path, path: Path, why: str) -> None:
        """Take the journal's file, the path where something else is found than was left there, and what."""
        super().__init__(journal, path, why)
        self.journal = journal
        self.path = path
        self.why = why

    def __str__(self) -> str:
        way_out = (
            "leave the journal's file and its lock where they are while a process has them open; start this one again"
        )
        return f"journal {self.journal} is lost to this process: {self.path} {self.why}; {way_out}"
