"""The lives of the program on one file: it is killed, looked at, and started again, until it may live to its end."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import IO, Final, NamedTuple

from tests.architecture.tree import ROOT
from tests.soak.kills.afterwards import check_end, check_kill
from tests.soak.kills.ledger import Ledger, Wrong
from tests.soak.kills.leftovers import MARK, wait_for_ends
from tests.soak.kills.plans import plans
from tests.soak.kills.program import Orders

LONGEST_LIFE: Final = 120.0
"""Seconds after which a program that neither ends nor is killed hangs."""
RUNS_A_LIFE: Final = 10
PARKING_SHARE: Final = 0.15
MAX_KILLS: Final = 8
"""In one file: a run that dies ten times with the same node at work is set aside."""


class Moment(NamedTuple):
    """When a life is ended: some time after a word was said so often."""

    word: str
    """Empty: any."""
    times: int
    seconds: float
    parks: float | None = None
    """After so many seconds the life leaves its runs by itself, if it is not killed before; None: it does not."""

    def __str__(self) -> str:
        return f"{self.seconds * 1000:.0f} ms after '{self.word or 'anything'}' {self.times}"


MOMENTS: Final = (
    ("", 300, 0.02), ("", 300, 0.02), ("", 100, 0.02), ("started", 12, 0.05), ("ended", 12, 0.02),
    ("opening", 1, 0.3), ("opening", 1, 0.3), ("recovering", 1, 0.05), ("recovered", 1, 0.5),
    ("pruning", 3, 0.01), ("checkpointing", 3, 0.005), ("cancelling", 2, 0.02), ("resuming", 2, 0.02),
    ("event", 100, 0.005), ("parking", 1, 0.3), ("parking", 1, 0.3),
)  # fmt: skip
"""Words, how often at most they are said before, and how many seconds at most come after."""


class Story(NamedTuple):
    """What came of a file's lives."""

    seed: int
    kills: int
    counts: dict[str, int]
    """How often each word was said."""
    wrong: str = ""
    """What is wrong; empty: nothing."""


def tell(seed: int, kills: int, folder: Path | None = None) -> Story:
    """Let the program live on one file until it was killed so often, and then to its end; never raises for a fault.

    Args:
        seed: of all choices that are ours; a kill hits where it hits.
        kills: how many.
        folder: where the file is made; None: a new one, which is removed if nothing is wrong.
    """
    place = Path(mkdtemp(prefix="playbill-kills-")) if folder is None else folder
    ledger = Ledger()
    moments: list[str] = []
    try:
        for life, drawn in enumerate(_moments(seed)):
            moment = None if ledger.counts["kills"] == kills else drawn
            moments.append(f"killed {moment}" if moment else "not killed")
            gone, parks = sorted(ledger.prunable), moment.parks if moment else None
            _live(Orders(str(place), seed, life, RUNS_A_LIFE * (life + 1), gone, parks), ledger, moment)
            if moment is None:
                break
    except Exception as error:  # noqa: BLE001 (whatever it is, the seed and the file are told with it)
        said = f"{type(error).__name__}: {error}" if not isinstance(error, Wrong) else str(error)
        wrong = f"seed {seed}, life {len(moments) - 1} ({moments[-1]}): {said}\n  kept in {place}"
        return Story(seed, ledger.counts["kills"], dict(ledger.counts), wrong)
    if folder is None:
        shutil.rmtree(place)
    return Story(seed, ledger.counts["kills"], dict(ledger.counts))


def _moments(seed: int) -> Iterator[Moment]:
    random = Random(f"moments {seed}")
    while True:
        word, times, seconds = random.choice(MOMENTS)
        parks = random.uniform(0.3, 2.0) if word == "parking" or random.random() < PARKING_SHARE else None
        yield Moment(word, random.randint(1, times), random.uniform(0.0, seconds), parks)


def _live(orders: Orders, ledger: Ledger, moment: Moment | None) -> None:
    """Live once, and look at what is left; a life that ends before its moment is none that was killed."""
    folder, mark = Path(orders.folder), f"{orders.folder} {orders.life} "
    errors, said = folder / f"errors-{orders.life}", folder / f"said-{orders.life}"
    command = [sys.executable, "-m", "tests.soak.kills.program", json.dumps(asdict(orders))]
    with errors.open("wb") as told, subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=told, text=True, env={**os.environ, MARK: mark}
    ) as process:  # fmt: skip
        assert process.stdout is not None
        hung = threading.Timer(LONGEST_LIFE, process.kill)
        hung.start()
        try:
            was_killed = _listen(process, process.stdout, said, ledger, moment)
        finally:
            hung.cancel()
            process.kill()
    if was_killed:
        ledger.counts["kills"] += 1
    complaint = errors.read_text(encoding="utf-8")
    if process.returncode and not was_killed:
        raise Wrong(f"it ended with {process.returncode}: {complaint[-3_000:]}")
    if "Traceback" in complaint:
        raise Wrong(f"it complained: {complaint[-3_000:]}")
    wanted = list(islice(plans(orders.seed, orders.folder), orders.runs))
    check_kill(folder, wanted, ledger)
    if orders.life % 2:  # else the next one begins while what this one has started is still ending
        wait_for_ends(mark)
    if moment is None:
        wait_for_ends(orders.folder)
        check_end(folder, wanted, ledger)


def _listen(
    process: subprocess.Popen[str], stdout: IO[str], said: Path, ledger: Ledger, moment: Moment | None
) -> bool:
    """Take down what a life says, until it ends; tell whether it was killed."""
    was_killed, left = False, 0 if moment is None else moment.times
    with said.open("w", encoding="utf-8") as copy:
        for line in stdout:
            copy.write(line)
            if not line.endswith("\n"):
                break  # it was torn: that was not told any more
            word = ledger.read(line)
            if moment is None or was_killed or moment.word not in {"", word}:
                continue
            left -= 1
            if not left:
                time.sleep(moment.seconds)
                process.kill()
                was_killed = True
    process.wait()
    return was_killed and process.returncode == -9
