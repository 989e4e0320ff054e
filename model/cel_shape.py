"""The shape of a CEL expression: what it names, and which macro walks what; enough to tell what it may cost.

It is read from the tokens alone, so it may take a name for another; it never finds less than there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from playbill.model.cel_tokens import MACROS, PLAIN_STRING, signs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.cel_paths import Keys

__all__ = ["Macro", "Span", "all_paths", "all_patterns", "shape_of", "spans_in"]

_NOT_NAMES: Final = frozenset({
    "true", "false", "null", "in",
    "int", "uint", "double", "string", "bytes", "bool", "list", "map", "null_type", "type",
})  # fmt: skip


@dataclass(slots=True)
class Span:
    """What a stretch of text names and does in one evaluation; the bodies of its macros are spans of their own."""

    paths: list[Keys] = field(default_factory=list["Keys"])
    """One for each mention of what it is given."""
    bound: list[str] = field(default_factory=list[str])
    """One for each mention of a macro's variable."""
    literals: int = 0
    """Numbers, strings and constants."""
    elements: int = 0
    """Those that stand in the literal of a list or a map, and these themselves."""
    pluses: int = 0
    patterns: list[str] = field(default_factory=list[str])
    """The literals that `matches` is given; empty for anything else than a literal."""
    macros: list[Macro] = field(default_factory=list["Macro"])


@dataclass(frozen=True, slots=True)
class Macro:
    """One call of a macro."""

    name: str
    variable: str
    over: str
    """The variable of an outer macro whose part it walks; empty: something else."""
    pluses_before: int
    """Lists may have been added up before it: it may walk as many times more."""
    body: Span


def shape_of(text: str) -> Span:
    """Read the shape of an expression that the library has compiled."""
    signs = ["", *signs_of(text), "", "", "", ""]
    return _Reader(signs).span(1, len(signs) - 4, frozenset())


def all_paths(span: Span) -> set[Keys]:
    """Give every path that is named, in the bodies of macros, too."""
    return {path for each in spans_in(span) for path in each.paths}


def all_patterns(span: Span) -> list[str]:
    """Give what every `matches` is given."""
    return [pattern for each in spans_in(span) for pattern in each.patterns]


def spans_in(span: Span) -> Iterator[Span]:
    """Give a span and the bodies of all macros in it."""
    yield span
    for macro in span.macros:
        yield from spans_in(macro.body)


class _Reader:
    """Walks the tokens once."""

    def __init__(self, signs: list[str]) -> None:
        self.signs = signs
        self.pluses = 0

    def span(self, place: int, end: int, bound: frozenset[str]) -> Span:
        """Read what stands before `end`."""
        found, depth, signs = Span(), 0, self.signs
        while place < end:
            match signs[place : place + 3]:
                case [".", name, "("] if name in MACROS:
                    place = self._macro(found, place, bound)
                    continue
                case [".", "matches", "("]:
                    pattern = signs[place + 3]
                    found.patterns.append(pattern if _is_string(pattern) and signs[place + 4] == ")" else "")
                case ["[" | "{" as sign, *_]:
                    depth += 1
                    found.elements += sign == "{" or not self._is_index(place)
                case ["]" | "}", *_]:
                    depth -= 1
                case ["+", *_]:
                    found.pluses += 1
                    self.pluses += 1
                case [name, after, *_] if name.isidentifier() and signs[place - 1] != "." and after != "(":
                    place = self._name(found, place, bound)
                    continue
                case [sign, *_] if sign.isdigit() or _is_string(sign):
                    found.literals += 1
                    found.elements += depth > 0
                case _:
                    pass
            place += 1
        return found

    def _macro(self, found: Span, place: int, bound: frozenset[str]) -> int:
        """Read `.map(x, ...)`, whose dot stands at `place`; return what comes after it."""
        name, variable, end = self.signs[place + 1], self.signs[place + 3], self._closing(place + 2)
        before = self.pluses
        body = self.span(place + 5, end, bound | {variable})
        found.macros.append(Macro(name, variable, self._walked(place, bound), before, body))
        return end + 1

    def _walked(self, place: int, bound: frozenset[str]) -> str:
        """Give the bound variable at the beginning of `x.a.b`, which ends before the dot at `place`."""
        place -= 1
        while self.signs[place].isidentifier() and self.signs[place - 1] == ".":
            place -= 2
        return self.signs[place] if self.signs[place] in bound else ""

    def _name(self, found: Span, place: int, bound: frozenset[str]) -> int:
        """Read a name that stands first, and the keys after it; return what comes after them."""
        name = self.signs[place]
        if name in _NOT_NAMES:
            found.literals += 1
        elif name in bound:
            found.bound.append(name)
        else:
            path, place = self._path(place)
            found.paths.append(path)
            return place
        return place + 1

    def _path(self, place: int) -> tuple[Keys, int]:
        keys, signs = [self.signs[place]], self.signs
        place += 1
        while True:
            match signs[place : place + 3]:
                case [".", key, after] if key.isidentifier() and after != "(":
                    place += 2
                case ["[", quoted, "]"] if PLAIN_STRING.fullmatch(quoted):
                    key = quoted[1:-1]
                    place += 3
                case _:
                    return tuple(keys), place
            keys.append(key)

    def _closing(self, place: int) -> int:
        """Find what closes the parenthesis at `place`."""
        depth = 0
        for end in range(place, len(self.signs)):
            depth += {"(": 1, ")": -1}.get(self.signs[end], 0)
            if not depth:
                return end
        return len(self.signs) - 1

    def _is_index(self, place: int) -> bool:
        before = self.signs[place - 1]
        return before in {"]", ")", "}"} or before.isidentifier() or _is_string(before)


def _is_string(sign: str) -> bool:
    return len(sign) > 1 and sign[-1] in "'\""
