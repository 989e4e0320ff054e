"""What a journal has promised so far, by what it told: none of it may be lost."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from playbill.model.events import is_own
from tests.runtime.journals.sqlite.power.recording import Told


@dataclass
class Promises:
    """Of one file, over all of its lives."""

    kept: dict[str, int] = field(default_factory=dict[str, int])
    """Of each stream: the seq up to which all is acknowledged."""
    begun: set[str] = field(default_factory=set[str])
    """Runs whose begin is acknowledged."""
    noted: dict[str, int] = field(default_factory=dict[str, int])
    """Of runs: an attribute whose change is acknowledged; it only grows."""
    pruning: dict[str, int] = field(default_factory=dict[str, int])
    """Streams that may be pruned, of playbill's own up to this seq."""
    pruned: set[str] = field(default_factory=set[str])
    """Runs that are, which is acknowledged."""

    def hear(self, told: Told) -> None:
        match told.what:
            case "kept":
                self.kept[told.name] = max(self.kept.get(told.name, 0), told.number)
            case "begun":
                self.begun.add(told.name)
            case "noted":
                self.noted[told.name] = told.number
            case "prunes":
                self.pruning[told.name] = told.number
            case "pruned" if not is_own(told.name):
                self.pruned.add(told.name)
            case _:
                pass

    @classmethod
    def of(cls, told: Iterable[Told]) -> "Promises":
        promises = cls()
        for one in told:
            promises.hear(one)
        return promises
