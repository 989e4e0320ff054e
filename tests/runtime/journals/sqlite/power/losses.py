"""Losses of power: crash images of a recording at any of its steps, each read back and held against what was told."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import NamedTuple

from playbill.model.errors import JournalError
from tests.runtime.journals.sqlite.power.disk import Disk
from tests.runtime.journals.sqlite.power.promises import Promises
from tests.runtime.journals.sqlite.power.reading_back import read_back, written
from tests.runtime.journals.sqlite.power.recording import Image, Recording, Synced, Told
from tests.runtime.journals.sqlite.power.survivors import WAYS, image


class Loss(NamedTuple):
    """One loss of power."""

    name: str
    """Of the seed, the step after which it came, and the way in which things survived."""
    image: Image
    promises: Promises


class Found(NamedTuple):
    """What was read from an image."""

    stands: dict[str, int]
    """The last seqs of its streams."""
    error: AssertionError | JournalError | None
    """What is wrong with it."""


def losses(recording: Recording, points: Iterable[int], seed: int, before: Promises | None = None) -> Iterator[Loss]:
    """Lose the power so many times, in each way in turn.

    Args:
        recording: what was done.
        points: after how many steps.
        seed: chooses what survives.
        before: what was promised before that.
    """
    steps = recording.steps
    disk, promises = Disk(recording.start), deepcopy(before) or Promises()
    done = 0
    for number, point in enumerate(sorted(points), seed):
        for step in steps[done:point]:
            if isinstance(step, Told):
                promises.hear(step)
            else:
                disk.take(step)
        done = point
        way = [*WAYS][number % len(WAYS)]
        name = f"{seed}-{number}-{way}-after-{point}"
        yield Loss(name, image(disk, way, Random(name)), deepcopy(promises))


def points(recording: Recording, count: int, seed: int) -> Iterator[int]:
    """Steps after which the power may be lost: after something was told, before a sync, or anywhere."""
    steps, rng = recording.steps, Random(f"points of {seed}")
    told = [number for number, step in enumerate(steps, 1) if isinstance(step, Told)]
    syncs = [number for number, step in enumerate(steps) if isinstance(step, Synced)]
    for number in range(count):
        places = (told, syncs, range(len(steps) + 1))[number % 3]
        yield rng.choice(places or range(len(steps) + 1))


async def read(loss: Loss, folder: Path, *, is_durable: bool = True) -> Found:
    """Read an image back, in a folder of its own."""
    place = folder / loss.name
    try:
        stands = await read_back(written(loss.image, place), loss.promises, is_durable=is_durable)
    except (AssertionError, JournalError) as error:
        return Found({}, error)
    finally:
        rmtree(place)
    return Found(stands, None)


def keep(loss: Loss, folder: Path, error: Exception) -> None:
    """Keep an image as it was after the loss, and say in the error where."""
    error.add_note(f"power was lost at {loss.name}; what was left is in {written(loss.image, folder / loss.name)}")
