"""What of a disk survives a loss of power: of what was not synced anything may, chosen by a seed, in these ways."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from tests.runtime.journals.sqlite.power.disk import Disk, Inode, applied
from tests.runtime.journals.sqlite.power.recording import Change, Cut, Image, Wrote

SECTOR = 512
Survives = Callable[[Random, list[Change]], Iterator[Change]]
"""Which parts of a file's changes come to the disk, in which order."""


def sectors(change: Wrote) -> list[Wrote]:
    """A write by the sectors of the disk: each comes as a whole or not at all."""
    end = change.offset + len(change.data)
    starts = [change.offset, *range((change.offset // SECTOR + 1) * SECTOR, end, SECTOR)]
    ends = [*starts[1:], end]
    return [
        Wrote(change.file, start, change.data[start - change.offset : stop - change.offset])
        for start, stop in zip(starts, ends, strict=True)
    ]


def torn(rng: Random, change: Change) -> list[Change]:
    """What may come of one change: all, nothing, the first of its sectors, or some of them."""
    way = rng.randrange(4)
    if way == 0 or (way > 1 and isinstance(change, Cut)):
        return [change]
    if way == 1 or isinstance(change, Cut):
        return []
    parts = sectors(change)
    if way == 2:
        return [*parts[: rng.randint(0, len(parts))]]
    return [part for part in parts if rng.random() < 0.5]


# ---- the ways ------------------------------------------------------------------------------------------------


def nothing(rng: Random, changes: list[Change]) -> Iterator[Change]:
    yield from ()


def everything(rng: Random, changes: list[Change]) -> Iterator[Change]:
    yield from changes


def beginning(rng: Random, changes: list[Change]) -> Iterator[Change]:
    """The first ones, and the next one torn: a disk that keeps the order."""
    if changes:
        last = rng.randrange(len(changes))
        yield from changes[:last]
        yield from torn(rng, changes[last])


def any_parts(rng: Random, changes: list[Change]) -> Iterator[Change]:
    for change in changes:
        yield from torn(rng, change)


def any_order(rng: Random, changes: list[Change]) -> Iterator[Change]:
    yield from any_parts(rng, rng.sample(changes, len(changes)))


def without_cuts(rng: Random, changes: list[Change]) -> Iterator[Change]:
    yield from (change for change in changes if isinstance(change, Wrote))


def last_of_all(rng: Random, changes: list[Change]) -> Iterator[Change]:
    """The last ones, and nothing before."""
    if changes:
        yield from changes[rng.randrange(len(changes)) :]


def one_file(rng: Random, files: list[str]) -> dict[str, Survives]:
    """All of one file, and of the others nothing, or any of it."""
    if not files:
        return {}
    chosen, others = rng.choice(files), rng.choice((nothing, any_parts))
    return {file: everything if file == chosen else others for file in files}


def alike(survives: Survives) -> Callable[[Random, list[str]], dict[str, Survives]]:
    return lambda rng, files: dict.fromkeys(files, survives)


EACH: Final[tuple[Survives, ...]] = (
    nothing,
    everything,
    beginning,
    any_parts,
    any_order,
    without_cuts,
    last_of_all,
)
WAYS: Final = {**{survives.__name__: alike(survives) for survives in EACH}, "one_file": one_file}
"""By name: what survives of each of the files."""


def image(disk: Disk, way: str, rng: Random) -> Image:
    """What is on the disk when the power is back."""
    folder = dict(disk.settled)
    for name, inodes in sorted(disk.entries.items()):
        if came := inodes[: rng.randint(0, len(inodes))]:
            folder.pop(name, None)
            if (last := came[-1]) is not None:
                folder[name] = last
    ways = WAYS[way](rng, sorted(folder))
    return {name: _content(folder[name], ways[name], rng) for name in sorted(folder)}


def _content(inode: Inode, survives: Survives, rng: Random) -> bytes:
    content = bytearray(inode.settled)
    for change in survives(rng, inode.unsettled):
        applied(content, change)
    return bytes(content)
