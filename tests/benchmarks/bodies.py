"""What the measured attempts execute, in a module that a worker imports at no great cost."""

import signal
import time
from typing import Any

import playbill


def tell_time(node: Any, inputs: Any, context: Any) -> dict[str, int]:
    """Return at once, and say when, in nanoseconds."""
    return {"at": time.perf_counter_ns()}


def stuck(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Swallow SIGTERM and spin for ever, once the host was told so."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    context.log.warning("stuck")
    while True:
        pass
