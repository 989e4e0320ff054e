"""How much of what an attempt says is kept: 1,000 lines or 256 KiB, and a mark where it was cut; pure."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MAX_LOG_CHARACTERS", "MAX_LOG_LINES", "LogQuota", "TakenLine"]

MAX_LOG_LINES: Final = 1000
MAX_LOG_CHARACTERS: Final = 256 * 1024


class TakenLine(NamedTuple):
    """A line as it is kept."""

    number: int
    text: str
    cut: bool


class LogQuota:
    """What one attempt may still say.

    Args:
        lines: how many of its lines are kept already.
        characters: how many characters these have.
    """

    __slots__ = ("characters", "lines")

    def __init__(self, lines: int = 0, characters: int = 0) -> None:
        self.lines = lines
        self.characters = characters

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken."""
        return self.lines >= MAX_LOG_LINES or self.characters >= MAX_LOG_CHARACTERS

    def take(self, text: str) -> TakenLine | None:
        """Return a line as it is to be kept; None: it is not, for all lines that are allowed were."""
        if self.is_full:
            return None
        left = MAX_LOG_CHARACTERS - self.characters
        self.lines += 1
        self.characters += len(text)
        return TakenLine(self.lines, text[:left], self.is_full)
