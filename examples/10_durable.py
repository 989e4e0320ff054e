"""A run that outlives its process: kill it with -9 in the midst, start it again, and it goes on where it was.

Run without arguments it does so itself: it starts a copy of itself that is killed, and then goes on with its run.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import playbill


@playbill.node_type("charge", version="1")
async def charge(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    # The key is the same in each attempt, also after a restart: whoever takes the money can tell them apart by it.
    print(f"{node.id}: attempt {context.attempt}, key {context.idempotency_key}", flush=True)
    await context.sleep(0.2)
    if node.id == "ship" and "--dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": node.id}


ORDER = {
    "name": "order",
    "nodes": [
        {"id": "pay", "type": "charge", "next": "ship"},
        {"id": "ship", "type": "charge", "next": "thank"},
        {"id": "thank", "type": "charge"},
    ],
    "outputs": {"last": "inputs.thank.done"},
}


async def main(url: str) -> None:
    async with playbill.PipelineRunManager(journal=url) as manager:
        went_on = (await manager.recovered()).runs
        print(f"goes on with {went_on}" if went_on else "begins", flush=True)
        run = await manager.start_run(ORDER, {"amount": 12}, run_id="order-7")  # the run there is, if there is one
        result = await run.result()
        print(result.status, result.outputs, {name: node.attempts for name, node in result.node_results.items()})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            journal = f"sqlite:///{Path(folder) / 'runs.db'}"
            killed = subprocess.run([sys.executable, __file__, journal, "--dies"], check=False)
            print(f"it ended with {killed.returncode}; start it again:", flush=True)
            asyncio.run(main(journal))
