"""A handler that nobody else can stop: it ignores SIGTERM, forks, daemonizes and computes for ever. Here it ends."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import playbill


@playbill.node_type("fortress", isolation="process")
def fortress(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if os.fork() == 0:
        os.setsid()  # a daemon of its own session, which no signal to the group reaches
        if os.fork():
            os._exit(0)
    while True:
        pass


@playbill.node_type("count")
async def count(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    await context.sleep(0.8)
    print("processes while it runs:", alive(os.environ["FORTRESS"]))
    return {}


def alive(marker: str) -> int:
    """Count the processes that carry the marker in their environment."""
    found = 0
    for process in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += marker.encode() in process.read_bytes()
    return found


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("isolation: process needs Linux")
    os.environ["FORTRESS"] = marker = f"fortress-{os.getpid()}"
    result = playbill.run(
        {"nodes": [{"id": "keep", "type": "fortress"}, {"id": "watch", "type": "count"}]},
        timeout_seconds=1,
        grace=0.5,
    )
    receipt = result.node_results["keep"].receipt
    print(f"{result.status}: {receipt.how} {receipt.ms:.0f} ms after it was asked; orphans: {result.orphans}")
    print("processes left:", alive(marker))
