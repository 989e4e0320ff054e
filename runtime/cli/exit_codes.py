"""The exit codes of the command, and what they say."""

from __future__ import annotations

from typing import Final

__all__ = ["FINE", "FOUND", "INTERRUPTED", "NOT_ENDED", "NOT_KEPT", "OF_RUNS", "WRONG"]

FINE: Final = 0
FOUND: Final = 1
"""A run failed, a simulation found something, a load is too much."""
WRONG: Final = 2
"""A bad definition, or bad usage."""
NOT_KEPT: Final = 74
"""The journal has failed to keep what happened: EX_IOERR of sysexits.h."""
NOT_ENDED: Final = 75
"""The run has not ended, so that there is nothing to tell yet: EX_TEMPFAIL of sysexits.h."""
INTERRUPTED: Final = 130
OF_RUNS: Final = {
    "completed": FINE,
    "failed": FOUND,
    "timeout": 124,
    "cancelled": INTERRUPTED,
}
"""How a run ended; the words of RunStatus, whose module a --help does not need."""
