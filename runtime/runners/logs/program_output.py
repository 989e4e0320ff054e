"""What a program writes, as lines of its attempt: as they come, so that a crash keeps what was said before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.runtime.journals.log_quota import MAX_LOG_LINES
from playbill.runtime.processes.line_splitter import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.runtime.processes.line_splitter import OutputLine
    from playbill.runtime.redaction import Redaction
    from playbill.runtime.runners.logs.lines import AttemptLines

__all__ = ["ProgramOutput"]


class ProgramOutput:
    """Both outputs of one program; on the loop.

    Args:
        lines: who takes them, as far as the attempt's quota goes.
        redaction: hides what nobody may see.
    """

    def __init__(self, lines: AttemptLines, redaction: Redaction) -> None:
        self._lines = lines
        self._redaction = redaction
        self._splitters = {"stdout": LineSplitter(), "stderr": LineSplitter()}

    def feed(self, output: str, data: bytes) -> None:
        """Take the next bytes of an output."""
        if self._lines.has_room:
            self._add(output, self._splitters[output].feed(data))

    def end(self) -> None:
        """Take the lines that have no end."""
        for output, splitter in self._splitters.items():
            self._add(output, [splitter.end()])

    def _add(self, output: str, lines: Sequence[OutputLine]) -> None:
        """Hide the secrets of lines that came together at once: one may stand in several, and each search costs."""
        whole: list[str] = []
        for line in lines[:MAX_LOG_LINES]:
            if line.cut:
                self._add_whole(output, whole)
                whole = []
                self._lines.add(output, self._redaction.hide_cut(line.text), cut=True)
            else:
                whole.append(line.text)
        self._add_whole(output, whole)

    def _add_whole(self, output: str, texts: Sequence[str]) -> None:
        for text in self._redaction.hide("\n".join(texts)).split("\n"):
            if text:
                self._lines.add(output, text)

    def __repr__(self) -> str:
        return f"<ProgramOutput to {self._lines!r}>"
