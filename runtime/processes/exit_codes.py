"""What an exit code says: of which signal a process died."""

from __future__ import annotations

import signal

__all__ = ["signal_of"]


def signal_of(exit_code: int) -> str | None:
    """Return the name of the signal that a process died of; None: it exited by itself."""
    if exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has none
        return f"signal {-exit_code}"
