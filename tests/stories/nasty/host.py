"""A host of its own for one nasty handler: `python -m tests.stories.nasty.host column body fifo`.

It starts a bystander, a command that never ends. Told `go` it starts the handler; told `cancel` it stops it; and says
on standard error what became of it.
"""

import asyncio
import json
import sys
import threading
from pathlib import Path

import playbill
from tests.stories.nasty import handlers
from tests.stories.nasty.support import GRACE, KILL_BOUND, definition, node_of


async def main(column: str, body: str, path: Path) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with playbill.PipelineRunManager(types=handlers.ALL, grace=GRACE, kill_bound=KILL_BOUND) as manager:
        await manager.start_run(definition("sleeps", "command", path))
        await lines.readline()
        run = await manager.start_run(definition(body, column, path))
        ended = asyncio.create_task(run.result())
        told = asyncio.create_task(lines.readline())
        await asyncio.wait([ended, told], return_when=asyncio.FIRST_COMPLETED)
        run.request_cancel()
        found = node_of(await ended)
        left = [thread.name for thread in threading.enumerate() if thread.name == "left-behind"]
        how = None if found.receipt is None else str(found.receipt.how)
        sys.stderr.write(json.dumps({"how": how, "status": str(found.status), "threads": len(left)}) + "\n")
        handlers.LET_GO.set()
        told.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
