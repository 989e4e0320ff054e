"""From a frame that asks to the frame that answers: every mistake of who asks is an answer, too."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import JournalError, UnknownRun
from playbill.runtime.control.commands import request_of
from playbill.runtime.control.frames import VERSION, error_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.runtime.control.commands import ControlCommand, ControlTarget

__all__ = ["answer_to"]

logger = logging.getLogger("playbill")

KINDS: Final[Mapping[type[Exception], str]] = {
    UnknownRun: "unknown-run",
    JournalError: "journal",
    ValueError: "request",
    RuntimeError: "closing",
}
"""How errors are told, the first that fits."""


async def answer_to(frame: Mapping[str, Any], control: ControlTarget) -> dict[str, Any]:
    """Do what a frame asks, and return the answer; never raises but for a cancel."""
    try:
        command, asked = _read(frame)
        answer = await command.handle(control, asked)
    except tuple(KINDS) as error:
        kind = next(kind for cause, kind in KINDS.items() if isinstance(error, cause))
        return error_frame(kind, str(error))
    except Exception as error:
        logger.exception("a request failed: %r", frame)
        return error_frame("internal", f"this is a fault of playbill's, please report it: {error!r}")
    return {"version": VERSION, "reply": answer.model_dump(mode="json")}


def _read(frame: Mapping[str, Any]) -> tuple[ControlCommand, Any]:
    """Return the command of a frame, and what it is asked.

    Raises:
        ValueError: it is not one that this version knows.
    """
    if (version := frame.get("version")) != VERSION:
        raise ValueError(f"version {version!r:.60} of the protocol: this playbill speaks {VERSION}; use the same one")
    if unknown := sorted(frame.keys() - {"version", "command", "request"}):
        raise ValueError(f"unknown {', '.join(unknown)[:200]}: a frame has version, command and request")
    return request_of(frame.get("command"), frame.get("request", {}))
