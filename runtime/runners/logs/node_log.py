"""What a handler logs by its context: shown by a logger of playbill's, and kept with the run; secrets in neither.

A record is kept as one line, however many its text has: a traceback has one level and one moment, and other threads'
lines would come between its own. What loggers are set to show changes nothing in what is kept.
"""

from __future__ import annotations

import logging
import sys
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Protocol, cast

from playbill.model.plain_text import repr_of, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Lines", "NodeLog", "describe_unwritable", "logger", "output_logger"]

logger = logging.getLogger("playbill.node")
output_logger = logging.getLogger("playbill.node.output")
"""Logs what handlers in processes print."""


class Lines(Protocol):
    """What keeps the records of one attempt."""

    @property
    def has_room(self) -> bool:
        """Whether another one would be kept."""
        ...

    def log(self, level: int, text: str, *, shown: bool) -> None:
        """Keep a record, without what nobody may see; `shown`: whether a logger gets it, too."""


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Says in each line which node of which run speaks; run_id, node_id and attempt are in the record, too."""

    def __init__(
        self,
        extra: Mapping[str, Any],
        hide: Callable[[str], str],
        lines: Lines | None = None,
        target: logging.Logger = logger,
    ) -> None:
        super().__init__(target, extra)
        self._hide = hide
        self._lines = lines

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log and keep a line without what it must not show."""
        lines, shown = self._lines, self.isEnabledFor(level)
        kept = lines is not None and lines.has_room
        if not (shown or kept):
            return
        given = self.extra or {}
        line = _Line(f"{given['run_id']}/{given['node_id']}#{given['attempt']}: ", msg, args, self._hide)
        trace = ""
        if error := kwargs.get("exc_info"):
            whole = _trace_of(error)
            trace = f"\n{self._hide(whole).rstrip()}" if whole else ""
            if trace != f"\n{whole.rstrip()}" and trace:  # it stands for the error, which would show what is hidden
                line.trace, kwargs["exc_info"] = trace, None
        if lines is not None and kept:
            lines.log(level, f"{line.kept_text()}{trace}", shown=shown)
        if shown:
            kwargs["extra"] = {**given, **(kwargs.get("extra") or {})}
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            self.logger.log(level, line, **kwargs)


def _trace_of(error: object) -> str:
    """Return a traceback's text.

    Args:
        error: as `exc_info` takes it; of a tuple it is the error that is being handled.
    """
    given = cast("tuple[object, ...]", error)[1:2] if isinstance(error, tuple) else (error,)
    raised = next((each for each in given if isinstance(each, BaseException)), None) or sys.exception()
    return "" if raised is None else said(lambda: "".join(format_exception(raised)))


class _Line:
    """A line of the log, put together where somebody wants its text; of its own no `%` is anything special."""

    __slots__ = ("_args", "_hide", "_msg", "_speaker", "_text", "trace")

    def __init__(self, speaker: str, msg: object, args: tuple[object, ...], hide: Callable[[str], str]) -> None:
        self._speaker, self._msg, self._args, self._hide = speaker, msg, args, hide
        self._text: str | None = None
        self.trace = ""

    @property
    def text(self) -> str:
        """What the handler says, without what nobody may see; raises whatever its parts do as they say theirs."""
        if self._text is None:
            self._text = self._hide(logging.LogRecord("", 0, "", 0, self._msg, self._args, None).getMessage())
        return self._text

    def kept_text(self) -> str:
        """Return the text, or why there is none: that fails nobody, as in logging."""
        try:
            return self.text
        except Exception as error:  # noqa: BLE001 (whatever a user's __str__ raises)
            return self._hide(describe_unwritable(error))

    def __str__(self) -> str:
        return f"{self._speaker}{self.text}{self.trace}"


def describe_unwritable(error: Exception) -> str:
    """Tell what stands in the place of a record whose arguments do not fit its text."""
    return f"a line of the log cannot be written: {repr_of(error)}"
