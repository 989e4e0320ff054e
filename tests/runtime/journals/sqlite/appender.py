"""A process that appends events of several streams, and says which were acknowledged, until it is killed.

Called with the journal's file and a seed: `python -m tests.runtime.journals.sqlite.appender FILE SEED`.
"""

import asyncio
import os
import random
import sys

from playbill.model.errors import JournalError
from playbill.model.events import Event, EventType
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import event, row

STREAMS = ("a", "b", "c", "breaker:shop")


class Telling:
    """A keeper that writes what is kept to standard output, at once."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.news = asyncio.Event()

    def kept(self, seq: int) -> None:
        os.write(1, f"{self.stream} {seq}\n".encode())
        self.news.set()

    def failed(self, error: str) -> None:
        os.write(2, error.encode())

    def fenced(self, error: JournalError) -> None:
        os.write(2, str(error).encode())


def made(stream: str, seq: int) -> Event:
    """The event of this seq, always the same."""
    if stream.startswith("breaker:"):
        return event(seq, EventType.BREAKER_CLOSED, stream, data={"epoch": seq, "target": "x"})
    if seq == 1:
        return event(seq, stream=stream)
    size = random.Random(f"{stream} {seq}").choice((10, 100, 100_000))
    output = {"output": {"text": stream * size}, "live": (seq,)}
    return event(seq, EventType.PIPELINE_NODE_COMPLETED, stream, data=output)


async def append(journal: SqliteJournal, name: str, rng: random.Random) -> None:
    keeper = Telling(name)
    if not name.startswith("breaker:"):
        journal.begin_run(row(name))
    stream = journal.open(name, keeper)
    seq = 0
    while True:
        for _ in range(rng.randint(1, 4)):
            seq += 1
            stream.append(made(name, seq))
        if rng.random() < 0.8:
            stream.push()
        keeper.news.clear()
        await keeper.news.wait()


async def main(path: str, seed: int) -> None:
    journal = SqliteJournal(f"sqlite:///{path}")
    await asyncio.gather(*(append(journal, name, random.Random(f"{seed} {name}")) for name in STREAMS))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
