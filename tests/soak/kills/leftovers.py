"""Finds processes that a killed program has left behind, by what all of its have in their environment."""

import time
from pathlib import Path
from typing import Final

from tests.soak.kills.ledger import Wrong

MARK: Final = "PLAYBILL_KILLS"
"""The variable in the environment of a life and all that it starts."""
PATIENCE: Final = 30.0
"""Seconds that the kernel and a spawner may take on a busy machine."""


def marked(mark: str) -> dict[int, str]:
    """Return the processes whose mark begins so, by id: their command lines."""
    entry, found = f"{MARK}={mark}".encode(), dict[int, str]()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if any(one.startswith(entry) for one in (process / "environ").read_bytes().split(b"\0")):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended
    return found


def wait_for_ends(mark: str) -> None:
    """Wait until all processes whose mark begins so have ended: nobody else tells.

    Raises:
        Wrong: some have not after a long time.
    """
    until = time.monotonic() + PATIENCE
    while left := marked(mark):
        if time.monotonic() > until:
            raise Wrong(f"processes live on without their owner: {left}")
        time.sleep(0.02)
