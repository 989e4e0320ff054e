"""In a worker: what stands behind a handler's context where the host has the attempt, resources and logs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.journals.log_quota import LogQuota
from playbill.runtime.runners.context import Over
from playbill.runtime.runners.logs.node_log import describe_unwritable, logger
from playbill.runtime.runners.workers import frames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from playbill.model.messages import Heartbeat
    from playbill.runtime.runners.program_pool import ProgramPool
    from playbill.runtime.runners.workers.inside.channel import Channel
    from playbill.runtime.runners.workers.inside.interrupts import Interrupts

__all__ = ["AttemptHandle", "ForwardedLines", "ForwardedLog", "Resources"]

LONGEST_TEXT: Final = 1024 * 1024
"""Characters of a logged line that are told to the host."""


class AttemptHandle:
    """An attempt, as far as a context uses it."""

    programs: ProgramPool | None = None
    """What its handler dispatches is a child of this process, and ends with it."""

    def __init__(self, channel: Channel, interrupts: Interrupts, serial: int, number: int, *, on_loop: bool) -> None:
        self._channel = channel
        self._interrupts = interrupts
        self._serial = serial
        self.number = number
        self.lines = ForwardedLines(channel, serial)
        self._on_loop = on_loop

    @property
    def asked(self) -> bool:
        """Whether the attempt was asked to end."""
        return self._interrupts.asked

    def send(self, message: Heartbeat) -> None:
        """Tell the host; the context has made plain JSON of the progress.

        Raises:
            ValueError: it is too large.
        """
        self._channel.send(frames.BeatFrame(self._serial, message.progress))

    def hide(self, text: str) -> str:
        """Leave it as it is: the host, which writes it, hides what it must."""
        return text

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds, as the handler's kind does."""
        if self._on_loop:
            return asyncio.sleep(seconds)
        time.sleep(seconds)
        return Over()


class ForwardedLines:
    """Sends to the host what a handler logs and no logger shows, as far as the quota goes; the rest comes anyway."""

    def __init__(self, channel: Channel, serial: int) -> None:
        self._channel = channel
        self._serial = serial
        self._quota = LogQuota()

    @property
    def has_room(self) -> bool:
        """Whether the host would keep another one."""
        return not self._quota.is_full

    def log(self, level: int, text: str, *, shown: bool) -> None:
        """Have a record kept; what is shown, too, `ForwardedLog` sends."""
        if self._quota.take(text) is not None and not shown:
            self._channel.send(frames.LogFrame(self._serial, level, bounded_line(text), shown=False))


class Resources(Mapping[str, Any]):
    """The host's resources: each is fetched when it is first used, and kept."""

    def __init__(self, channel: Channel, names: Iterable[str]) -> None:
        self._channel = channel
        self._names = dict.fromkeys(names)
        self._fetched: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._fetched:
            self._fetched[name] = self._channel.resource(name)
        return self._fetched[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class ForwardedLog(logging.Handler):
    """Sends what a handler logs to the host, whose handlers know where it shall go."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._serial = 0
        self._speaker = ""
        """How lines of the attempt begin; the host says that anew."""
        logger.propagate = False
        logger.handlers[:] = [self]

    def begin(self, serial: int, speaker: str, level: int) -> None:
        """Forward from here on what attempt `serial` says, if the host wants the level."""
        self._serial = serial
        self._speaker = speaker
        if logger.level != level:
            logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record as text."""
        try:
            text = str(self.format(record)).removeprefix(self._speaker)
        except Exception as error:  # noqa: BLE001 (logging fails nobody whose arguments do not fit their text)
            text = describe_unwritable(error)
        self._channel.send(frames.LogFrame(self._serial, record.levelno, bounded_line(text), shown=True))


def bounded_line(text: str) -> str:
    """Return a text as the host is told it."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}... {len(text) - LONGEST_TEXT} characters left out"
