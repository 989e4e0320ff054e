"""What a journal does to its files, in order, and what it tells meanwhile: what a loss of power is made of."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Image: TypeAlias = Mapping[str, bytes]
"""Files by name, as they are on a disk."""


class Created(NamedTuple):
    """A file is there that was not, and is empty."""

    file: str


class Wrote(NamedTuple):
    """Bytes of a file."""

    file: str
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A file has this size now."""

    file: str
    size: int


class Synced(NamedTuple):
    """What a file has is on the disk; `folder`: and so are the entries of its folder."""

    file: str
    folder: bool


class Deleted(NamedTuple):
    """A file is gone; `folder`: on the disk, too."""

    file: str
    folder: bool


class Told(NamedTuple):
    """What the journal told, or (prunes) what it was told to do."""

    what: Literal["kept", "begun", "noted", "prunes", "pruned"]
    name: str
    """Of the stream."""
    number: int = 0
    """kept: up to which seq; noted: the value; prunes, of a stream of playbill's own: up to which seq."""


Change: TypeAlias = Wrote | Cut
Step: TypeAlias = Created | Change | Synced | Deleted | Told


class Recording:
    """The steps of one life of a journal; written by its writer thread and by the loop.

    Args:
        start: what was on the disk before.
    """

    def __init__(self, start: Image) -> None:
        self.start = start
        self.steps: list[Step] = []

    def add(self, step: Step) -> None:
        self.steps.append(step)

    def __repr__(self) -> str:
        kinds = [type(step).__name__ for step in self.steps]
        counts = " ".join(f"{kind.lower()}={kinds.count(kind)}" for kind in sorted(set(kinds)))
        return f"<Recording {counts}>"
