"""Power is lost at any step: nothing acknowledged is missing, and the file is never damaged.

`POWER_IMAGES=5000 pytest tests/runtime/journals/sqlite/power` tries 5,000 losses instead of a few hundred.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from tests.runtime.journals.sqlite.power.lives import Birth, lived, reborn, renewed
from tests.runtime.journals.sqlite.power.losses import Loss, keep, losses, points, read
from tests.runtime.journals.sqlite.power.promises import Promises
from tests.runtime.journals.sqlite.power.recording import Recording, Told

pytestmark = pytest.mark.anyio
IMAGES = int(os.environ.get("POWER_IMAGES", "320"))
"""Losses that all of these tests try together."""
A_TEST = 32
ROUNDS = max(1, IMAGES // (10 * A_TEST))
"""Of ten tests each."""
LIVES = 4


async def check(tried: Iterable[Loss], scratch: Path, kept: Path, *, is_durable: bool = True) -> None:
    for loss in tried:
        found = await read(loss, scratch, is_durable=is_durable)
        if found.error is not None:
            keep(loss, kept, found.error)
            raise found.error


def first_steps(recording: Recording) -> range:
    """The steps until the first events are acknowledged, and a few more."""
    return range(20 + next(number for number, step in enumerate(recording.steps) if isinstance(step, Told)))


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
async def test_nothing_acknowledged_is_lost(seed: int, scratch: Path, tmp_path: Path) -> None:
    recording = await lived(scratch, seed)
    await check(losses(recording, points(recording, A_TEST, seed), seed), scratch, tmp_path)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_a_file_that_is_being_made_is_made_by_the_next_owner(seed: int, scratch: Path, tmp_path: Path) -> None:
    recording = await lived(scratch, 1000 + seed)
    await check(losses(recording, first_steps(recording), seed), scratch, tmp_path)


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_power_may_be_lost_again_and_again(seed: int, synchronous: str, scratch: Path, tmp_path: Path) -> None:
    """Each life begins with what a loss in the one before has left."""
    is_durable = synchronous == "FULL"
    birth, promises = Birth(), Promises()
    for life in range(LIVES):
        recording = await lived(scratch, 2000 + seed, birth, synchronous="FULL" if is_durable else "NORMAL")
        number = 10 * seed + life
        tried = [*losses(recording, points(recording, A_TEST // LIVES, number), number, promises)]
        await check(tried, scratch, tmp_path, is_durable=is_durable)
        fatal = Random(number).choice(tried)
        found = await read(fatal, scratch, is_durable=is_durable)
        birth, promises = reborn(birth, fatal.image, found.stands), renewed(fatal.promises, found.stands)


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
async def test_with_synchronous_normal_the_last_moments_may_be_lost_and_nothing_else(
    seed: int, scratch: Path, tmp_path: Path
) -> None:
    recording = await lived(scratch, 3000 + seed, synchronous="NORMAL")
    await check(losses(recording, points(recording, A_TEST, seed), seed), scratch, tmp_path, is_durable=False)
