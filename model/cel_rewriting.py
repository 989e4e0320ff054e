"""What is changed in a CEL expression before the library has it, so that maps have an order and texts characters.

1. What a macro walks and `size` counts is replaced: a plain path by a variable that holds the keys of the mapping
   that stands there, anything else by a call that gives them. Its meaning stays what it was.
2. Its map literals are read, since the order of their keys is lost in the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from playbill.model.cel_paths import Path, plain_path
from playbill.model.cel_tokens import MACROS, bound_names, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["MapLiteral", "Rewritten", "map_literals", "rewrite"]

_OPEN: Final = {")": "(", "]": "[", "}": "{"}
_LISTS: Final = frozenset({"map", "filter"})
"""The macros that give lists, which need no replacing."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An expression as the library gets it."""

    text: str
    paths: Mapping[str, Path]
    """What is to be walked or counted, by the variable that stands for it."""
    call: str
    """The function that gives what is to be walked or counted of anything else."""

    @property
    def calls(self) -> bool:
        """Whether it calls that function."""
        return f"{self.call}(" in self.text


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """A map as the expression writes it."""

    keys: tuple[str | Path | None, ...]
    """In their order; None: computed in another way."""

    def order_of(self, found: Sequence[Any], variables: Mapping[str, Any]) -> list[Any] | None:
        """Give the keys that a map was found to have in the order of this literal, if they are its keys."""
        if len(found) != len(self.keys):
            return None
        keys = [_read(key, variables) if isinstance(key, Path) else key for key in self.keys]
        known = [key for key in keys if key is not None]
        if not set(known) <= set(found) or len(set(known)) < len(known):
            return None
        rest = iter([key for key in found if key not in known])
        return [next(rest) if key is None else key for key in keys]


def rewrite(text: str) -> Rewritten | None:
    """Give an expression so that maps are walked in their order and texts counted in characters; None: as it is."""
    tokens = tokens_of(text)
    signs = [token.text for token in tokens]
    bound = bound_names(text)
    mark = "each__"
    while mark in text:
        mark += "_"
    paths: dict[str, Path] = {}
    edits: list[tuple[int, int, str]] = []
    for start, end in sorted(set(_counted(signs))):
        first, last = tokens[start].start, tokens[end - 1].end
        path = plain_path("".join(signs[start:end]))
        if path is not None and path.root not in bound:
            name = f"{mark}{len(paths)}"
            paths[name] = path
            edits.append((first, last, name))
        else:
            edits += [(first, first, f"{mark}("), (last, last, ")")]
    return Rewritten(_edited(text, edits), paths, mark) if edits else None


def map_literals(text: str) -> tuple[MapLiteral, ...]:
    """Read the map literals of an expression."""
    signs = [token.text for token in tokens_of(text)]
    return tuple(MapLiteral(tuple(_keys(signs, place + 1))) for place, sign in enumerate(signs) if sign == "{")


def _counted(signs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Give from where to where the tokens stand that a macro walks or `size` counts."""
    padded = [*signs, "", ""]
    for place in range(len(signs)):
        match padded[place : place + 3]:
            case [".", name, "("] if name in MACROS or name == "size":
                if not _gives_list(signs, place):
                    yield _chain_start(signs, place), place
            case ["size", "(", _] if place == 0 or signs[place - 1] != ".":
                end = _matching(signs, place + 1)
                if _at_level(signs, place + 2, end, ",") == end > place + 2:  # else the library says what is wrong
                    yield place + 2, end
            case _:
                pass


def _gives_list(signs: Sequence[str], dot: int) -> bool:
    if signs[dot - 1] != ")":
        return signs[dot - 1] == "]" and _is_literal(signs, dot - 1)
    opening = _opening(signs, dot - 1)
    return opening > 1 and signs[opening - 2] == "." and signs[opening - 1] in _LISTS


def _is_literal(signs: Sequence[str], end: int) -> bool:
    """Tell whether a bracket that closes at `end` is a list, not an index."""
    before = signs[_opening(signs, end) - 1] if _opening(signs, end) else ""
    return not (before.isidentifier() or before in _OPEN or before[-1:] in {"'", '"'}) or before == "in"


def _chain_start(signs: Sequence[str], dot: int) -> int:
    """Find where `a.b(c)[d]`, which ends before the dot, begins."""
    place = dot - 1
    while True:
        if signs[place] in _OPEN:
            place = _opening(signs, place)
            before = signs[place - 1] if place else ""
            is_index = signs[place] == "[" and not _is_literal(signs, _matching(signs, place))
            if is_index or (signs[place] == "(" and before.isidentifier() and before != "in"):
                place -= 1
                continue
        if place > 1 and signs[place - 1] == ".":
            place -= 2
            continue
        return place - 1 if place and signs[place - 1] == "." else place


def _opening(signs: Sequence[str], place: int) -> int:
    depth = 0
    for start in range(place, -1, -1):
        depth += 1 if signs[start] in _OPEN else -1 if signs[start] in _OPEN.values() else 0
        if not depth:
            return start
    return 0


def _matching(signs: Sequence[str], place: int) -> int:
    depth = 0
    for end in range(place, len(signs)):
        depth += 1 if signs[end] in _OPEN.values() else -1 if signs[end] in _OPEN else 0
        if not depth:
            return end
    return len(signs) - 1


def _keys(signs: Sequence[str], place: int) -> Iterator[str | Path | None]:
    """Give the keys of the map literal whose first token stands at `place`."""
    end = _matching(signs, place - 1)
    while place < end:
        colon = _at_level(signs, place, end, ":")
        yield _key("".join(signs[place:colon]))
        place = _at_level(signs, colon + 1, end, ",") + 1


def _at_level(signs: Sequence[str], place: int, end: int, wanted: str) -> int:
    """Find a sign that stands in no brackets, and a colon that belongs to no `?`."""
    questions = 0
    while place < end:
        sign = signs[place]
        if sign in _OPEN.values():
            place = _matching(signs, place)
        elif sign == "?":
            questions += 1
        elif sign == wanted and not (sign == ":" and questions):
            return place
        elif sign == ":":
            questions -= 1
        place += 1
    return end


def _key(text: str) -> str | Path | None:
    if text[:1] in {"'", '"'} and text[0] not in text[1:-1] and text[-1:] == text[0] and "\\" not in text:
        return text[1:-1]
    return plain_path(text)


def _read(path: Path, variables: Mapping[str, Any]) -> str | None:
    try:
        key = path.read(variables)
    except LookupError:
        return None
    return key if isinstance(key, str) else None


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """Make replacements and insertions; of insertions at one place the outer call's opening comes first."""
    for start, end, new in sorted(edits, key=lambda edit: (edit[0], edit[1]), reverse=True):
        text = f"{text[:start]}{new}{text[end:]}"
    return text
