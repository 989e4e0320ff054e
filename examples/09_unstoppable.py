"""A handler that nobody else can stop: it ignores SIGTERM, forks, daemonizes and computes for ever. Here it ends."""

import contextlib
import os
import signal
import sys
import time
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
    with playbill.BlockingManager(grace=0.5) as manager:
        run = manager.start_run({"nodes": [{"id": "keep", "type": "fortress"}]})
        while (found := alive(marker)) < 3:
            time.sleep(0.05)
        print("processes while it runs:", found)
        run.cancel()
        result = run.result()
    receipt = result.node_results["keep"].receipt
    print(f"{result.status}: {receipt.how} {receipt.ms:.0f} ms after it was asked; orphans: {result.orphans}")
    print("processes left:", alive(marker))
