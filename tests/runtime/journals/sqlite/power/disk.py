"""A disk that is about to lose its power: what is on it for certain, and what is on its way.

1. A sync settles all changes of one file that came before it, and nothing else.
2. A new or deleted file is an entry of the folder, on its way until the folder is synced; the entries of one name
   come in order, since they are one place on the disk.
3. A file whose entry is there and which was never synced is there with whatever of it came so far.
"""

from tests.runtime.journals.sqlite.power.recording import Change, Created, Cut, Deleted, Image, Step, Synced, Wrote


class Inode:
    """The content of one file, whatever name it has."""

    def __init__(self, settled: bytes = b"") -> None:
        self.settled = bytearray(settled)
        self.unsettled: list[Change] = []

    def settle(self) -> None:
        for change in self.unsettled:
            applied(self.settled, change)
        self.unsettled.clear()


def applied(content: bytearray, change: Change) -> None:
    """Make a change; what is between the end and the change is zeros."""
    end = change.size if isinstance(change, Cut) else change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if isinstance(change, Wrote):
        content[change.offset : end] = change.data
    else:
        del content[end:]


class Disk:
    """A folder on a disk.

    Args:
        start: the files that are there for certain.
    """

    def __init__(self, start: Image) -> None:
        self.settled: dict[str, Inode] = {name: Inode(content) for name, content in start.items()}
        """The folder as it is on the disk."""
        self.entries: dict[str, list[Inode | None]] = {}
        """What becomes of names, in order; None: deleted."""
        self._live: dict[str, Inode] = dict(self.settled)
        """The folder as programs see it."""

    def take(self, step: Step) -> None:
        """Have one step done."""
        match step:
            case Created(file):
                self._live[file] = Inode()
                self.entries.setdefault(file, []).append(self._live[file])
            case Wrote() | Cut():
                self._live[step.file].unsettled.append(step)
            case Synced(file, folder):
                self._live[file].settle()
                self._settle_entries(folder)
            case Deleted(file, folder):
                del self._live[file]
                self.entries.setdefault(file, []).append(None)
                self._settle_entries(folder)
            case _:
                pass

    def seen(self) -> Image:
        """The files as programs see them."""
        for inode in self._live.values():
            inode.settle()
        return {name: bytes(inode.settled) for name, inode in self._live.items()}

    def _settle_entries(self, is_synced: bool) -> None:
        if not is_synced:
            return
        for name, inodes in self.entries.items():
            if (last := inodes[-1]) is None:
                self.settled.pop(name, None)
            else:
                self.settled[name] = last
        self.entries.clear()
