"""What somebody wrote: a text and its name; tells where in it a problem stands, and how a number is written."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import DefinitionError
from playbill.model.frozen import copied
from playbill.model.places import Spot, TextError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import PurePath

    from playbill.model.errors import Problem
    from playbill.model.places import Location, Reading

__all__ = ["UNWRITTEN", "Written", "replace_at", "with_texts"]

MAX_ROUNDS: Final = 9
_BY_KEY: Final = frozenset({"unknown-field", "unknown-breaker", "unknown-keyword"})
"""Problems of a key; others are of its value."""


class Written:
    """The text that something was read from. Any two are equal: they are no part of what the text says.

    Only the text is kept; it is read once more when somebody asks for a place in it.
    """

    __slots__ = ("_read", "_root", "_text", "folder", "source")

    def __init__(
        self,
        source: str = "",
        text: str = "",
        read: Callable[[str, str], Reading] | None = None,
        folder: PurePath | None = None,
    ) -> None:
        """Take the name of a text, the text, what reads it, and the folder of its file, if it has one."""
        self.source = source
        self.folder = folder
        self._text = text
        self._read = read
        self._root: Spot | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Written)

    def __hash__(self) -> int:
        return hash(Written)

    def __repr__(self) -> str:
        return f"<Written {self.source or 'nowhere'}>"

    @property
    def root(self) -> Spot | None:
        """The place of the whole; None: it is not of a text, or one that is too deep to be looked through."""
        if self._root is None and self._read is not None:
            try:
                self._root = self._read(self._text, self.source).root
            except TextError:
                self._read = None
        return self._root

    def keep(self, root: Spot | None) -> None:
        """Keep places that are known already, or no more."""
        self._root = root

    def texts(self, locations: Iterable[Location]) -> dict[Location, Any]:
        """Give how the numbers, true, false and null at some locations are written, where such stand there.

        Of a list it is a list, in which other items stay as they are.
        """
        root = self.root
        found = (root.at(location) for location in locations) if root else ()
        return {way: text for place, way in found if (text := _text_of(place)) is not None}

    def place(self, problems: Iterable[Problem], where: Callable[[str], str] = str) -> list[Problem]:
        """Give problems their lines and columns, in the order of the text.

        Args:
            problems: Those that have no place yet get one.
            where: Gives the place in the text of a place in what was made of it.
        """
        root = self.root
        if root is None:
            return list(problems)
        placed = [each if each.line else self._placed(root, each, where(each.where)) for each in problems]
        return sorted(placed, key=lambda each: (each.line or 0, each.column or 0))

    def _placed(self, root: Spot, problem: Problem, where: str) -> Problem:
        place, key = root.find(where)
        line, column = key if problem.code in _BY_KEY or place.inner is not None else place.mark
        return replace(problem, line=line, column=column, source=self.source)

    @contextmanager
    def placing(self) -> Generator[None]:
        """Give the problems of a DefinitionError that is raised within their lines and columns."""
        try:
            yield
        except DefinitionError as error:
            raise DefinitionError(error.name, self.place(error.problems), error.what) from error.__cause__


UNWRITTEN: Final = Written()
"""Of what was made in Python."""


def _text_of(place: Spot) -> Any:
    if isinstance(place.inner, list) and any(each.written is not None for each in place.inner):
        return [each.value if each.written is None else each.written for each in place.inner]
    return place.written


def with_texts(
    data: dict[str, Any],
    prefix: Location,
    expected: Callable[[dict[str, Any]], list[Location]],
    written: Written,
) -> dict[str, Any]:
    """Give a copy of data with the texts as they are written; the data itself where nothing differs.

    Args:
        data: What was read.
        prefix: Where in the text it stands.
        expected: Tells where in data text belongs, and something else is; one text may show that another is expected.
        written: The text.
    """
    for _ in range(MAX_ROUNDS if written.root else 0):
        changed = _with_texts(data, prefix, expected(data), written)
        if changed is data:
            break
        data = changed
    return data


def _with_texts(data: dict[str, Any], prefix: Location, expected: list[Location], written: Written) -> dict[str, Any]:
    texts = written.texts((*prefix, *location) for location in expected)
    changed = copied(data) if texts else data
    found = False
    for where, text in texts.items():
        place = where[len(prefix) :]
        if place and _value_at(data, place) != text:
            replace_at(changed, place, text)
            found = True
    return changed if found else data


def _value_at(data: Any, location: Location) -> object:
    for part in location:
        data = data[part]
    return data


def replace_at(data: Any, location: Location, value: object) -> None:
    """Set the value at a location of nested dicts and lists."""
    *way, last = location
    for part in way:
        data = data[part]
    cast("dict[Any, Any]", data)[last] = value
