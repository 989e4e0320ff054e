"""Which journal a manager has: in memory, or in a file that outlives its process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import DefinitionError, JournalError, Problem

if TYPE_CHECKING:
    from playbill.runtime.world import Parts

__all__ = ["MEMORY", "parts_with", "problem_of_journal"]

MEMORY: Final = "memory"
"""The journal that forgets with its process."""


def problem_of_journal(value: Any) -> Problem | None:
    """Return what is wrong with the name of a journal; whether it can be opened is told when it is."""
    if isinstance(value, str) and value == MEMORY:
        return None
    if not isinstance(value, str) or not value.startswith("sqlite:"):
        text = f"unknown journal {value!r:.80}: use 'memory', or the URL of a file, such as 'sqlite:///runs.db'"
        return Problem("unknown-journal", "journal", text)
    from playbill.runtime.journals.sqlite.files.places import path_of  # noqa: PLC0415 (few need it, and it is slow)

    try:
        path_of(value)
    except JournalError as error:
        return Problem("journal", "journal", str(error))
    return None


def parts_with(parts: Parts, journal: str, *, fails: bool) -> Parts:
    """Return the parts of a manager with its journal.

    Args:
        parts: those of its world, whose journal is in memory.
        journal: its name.
        fails: whether the world's own journal has to stay: its time is virtual, or it fails as a plan says.

    Raises:
        DefinitionError: in this world events are kept in memory.
        JournalError: the file cannot be a journal, or has another owner.
    """
    if journal == MEMORY:
        return parts
    if fails:
        text = f"journal '{journal}' does not go with simulated time or with faults: use 'memory' there"
        raise DefinitionError.single("journal", "journal", text)
    from playbill.runtime.journals.sqlite.journal import SqliteJournal  # noqa: PLC0415 (as above)

    return replace(parts, journal=SqliteJournal(journal))
