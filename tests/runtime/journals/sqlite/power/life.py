"""One life of a journal, whatever it does recorded: many streams in groups, begins, notes, prunings, and its end."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from random import Random

from playbill.model.errors import JournalError
from playbill.model.events import is_own
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import AT
from tests.runtime.journals.sqlite.power.plan import OWN, begun_row, definition, length, made
from tests.runtime.journals.sqlite.power.recording import Recording, Told

TURNS = 14
LIVE_RUNS = 5


class Witness:
    """A keeper that records what is acknowledged, when it is; own streams number their events anew in each life."""

    def __init__(self, recording: Recording, name: str, seq: int = 0) -> None:
        self._recording = recording
        self._name = name
        self._before = seq if is_own(name) else 0
        self._news = asyncio.Event()
        self._seq = seq
        self._error = ""

    def kept(self, seq: int) -> None:
        self._seq = self._before + seq
        self._recording.add(Told("kept", self._name, self._seq))
        self._news.set()

    def failed(self, error: str) -> None:
        self._error = error
        self._news.set()

    def fenced(self, error: JournalError) -> None:
        self.failed(str(error))

    async def until(self, seq: int) -> None:
        while self._seq < seq:
            self._news.clear()
            await self._news.wait()
            assert self._error == ""


class Life:
    """What is done with a journal from when it is opened until it is closed.

    Args:
        journal: just opened.
        recording: of its files.
        number: which life of its file it is, from 1.
        seed: chooses what is done.
        stands: the last seq of each stream that is kept already.
    """

    def __init__(
        self, journal: SqliteJournal, recording: Recording, number: int, seed: int, stands: Mapping[str, int]
    ) -> None:
        self._journal = journal
        self._recording = recording
        self._number = number
        self._rng = Random(f"life {number} of {seed}")
        self._fresh = (f"{'_abcdef'[number]}{count}" for count in range(1, 40))
        self._last = {name: stands.get(name, 0) for name in (*OWN, *stands)}
        self._witnesses = {name: Witness(recording, name, last) for name, last in self._last.items()}

    async def live(self) -> None:
        for name in self._last:
            self._open(name)
        for turn in range(1, TURNS + 1):
            await self._append()
            chosen = self._rng.random()
            if chosen < 0.2:
                await self._prune()
            elif chosen < 0.5:
                await self._note(1000 * self._number + turn)
        self._journal.close()

    def _open(self, name: str) -> None:
        last = self._last[name]
        kept = () if is_own(name) else [made(name, seq) for seq in range(1, last + 1)]
        self._journal.open(name, self._witnesses[name], kept)

    def _alive(self) -> list[str]:
        alive = [name for name, last in self._last.items() if last < length(name)]
        while len(alive) < LIVE_RUNS + len(OWN) and (name := next(self._fresh, None)) is not None:
            self._last[name] = 0
            self._witnesses[name] = Witness(self._recording, name)
            alive.append(name)
        return alive

    async def _append(self) -> None:
        """Have two groups kept: the second is collected while the thread is at work with the first."""
        alive = self._alive()
        begun = [waits for _ in range(2) for waits in await self._group(alive)]
        for name in alive:
            await self._witnesses[name].until(self._last[name])
        for name, future in begun:
            await future
            self._recording.add(Told("begun", name))

    async def _group(self, alive: list[str]) -> list[tuple[str, asyncio.Future[None]]]:
        begun: list[tuple[str, asyncio.Future[None]]] = []
        for name in self._rng.sample(alive, self._rng.randint(1, len(alive))):
            if not self._last[name] and not is_own(name):
                begun.append((name, self._journal.begin_run(begun_row(name), definition(name))))
                self._open(name)
            for _ in range(min(self._rng.randint(1, 3), length(name) - self._last[name])):
                self._last[name] += 1
                self._journal.streams[name].append(made(name, self._last[name]))
            if name in self._journal.streams:
                self._journal.streams[name].push()
        await asyncio.sleep(0)
        return begun

    async def _note(self, value: int) -> None:
        for name in [name for name, last in self._last.items() if not is_own(name) and last > 0]:
            await self._journal.change_run(name, {"attributes": {"noted": value}})
            self._recording.add(Told("noted", name, value))

    async def _prune(self) -> None:
        ended = [name for name, last in self._last.items() if last == length(name)]
        for name in ended:
            del self._last[name], self._witnesses[name]
            self._journal.drop(name)
        going = [*((name, self._last[name]) for name in OWN), *((name, 0) for name in ended)]
        self._recording.steps.extend(Told("prunes", *one) for one in going)
        await self._journal.prune(AT + timedelta(days=1))
        self._recording.steps.extend(Told("pruned", *one) for one in going)
