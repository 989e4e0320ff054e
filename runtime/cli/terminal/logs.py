"""What `playbill run` shows of logs: warnings, with -v what handlers say by the way, with -vv everything of ours."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["show_logs"]

PRINTED: Final = "playbill.node.output"
"""The logger of what handlers in processes print, which is shown like what the others print."""
LEVELS: Final = (logging.WARNING, logging.INFO, logging.DEBUG)


def show_logs(verbosity: int) -> None:
    """Write logs to standard error, each line with its level and the node that speaks."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("playbill").setLevel(LEVELS[min(verbosity, len(LEVELS) - 1)])
    logging.getLogger(PRINTED).setLevel(logging.INFO)


class LogFormatter(logging.Formatter):
    """Leaves the run's id out of what nodes say: there is one run."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return `level: node#attempt: message`."""
        run_id = getattr(record, "run_id", None)
        message = record.message if run_id is None else record.message.removeprefix(f"{run_id}/")
        return message if record.name == PRINTED else f"{record.levelname.lower()}: {message}"
