"""Reads JSON by its own rules: no key twice, no NaN; where each value stands is looked up when somebody asks."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, Final, NamedTuple, NoReturn

from playbill.model.errors import Problem
from playbill.model.places import MAX_DEPTH, MAX_DIGITS, Mark, Reading, Spot, TextError, too_many_digits
from playbill.model.wording import clip

__all__ = ["parse", "read", "refuse_constant"]

LONGEST_SHOWN: Final = 60
_TOKEN: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+)', re.DOTALL)
_LIST: Final = "["
_CONSTANTS: Final = frozenset({"NaN", "Infinity", "-Infinity"})


class Parsed(NamedTuple):
    """What a JSON text says, and whether something in it is refused: then `read` tells what."""

    value: object
    is_odd: bool


def parse(text: str) -> Parsed:
    """Parse a JSON text.

    Raises:
        TextError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    odd: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            odd.append("a key twice")
        return made

    def whole(digits: str) -> int | None:
        if len(digits) <= MAX_DIGITS:
            return int(digits)
        odd.append(digits)
        return None

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_constant=odd.append, parse_int=whole)
    except json.JSONDecodeError as error:
        raise TextError(error.msg, (error.lineno, error.colno)) from None
    return Parsed(value, bool(odd))


def refuse_constant(name: str) -> NoReturn:
    """Refuse what Python's JSON takes and nobody else's, as its `parse_constant`.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not JSON")


def read(text: str, source: str) -> Reading:
    """Read a text that is JSON, with all places and all that is refused.

    Raises:
        TextError: It is nested too deeply.
    """
    return _JsonReader(text, source).document()


class _JsonReader:
    """Walks through the tokens of a JSON text."""

    def __init__(self, text: str, source: str) -> None:
        self._tokens = _TOKEN.finditer(text)
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._source = source
        self._faults: list[Problem] = []
        self._depth = 0

    def document(self) -> Reading:
        """Read the only value."""
        return Reading(self._value(*self._next()), self._faults)

    def _next(self) -> tuple[str, Mark]:
        found = next(self._tokens)
        line = bisect_right(self._lines, found.start(1))
        return found[1], (line, found.start(1) - self._lines[line - 1] + 1)

    def _value(self, token: str, mark: Mark) -> Spot:
        if token not in {"{", "["}:
            return self._scalar(token, mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TextError(f"nested too deeply, over {MAX_DEPTH} levels", mark)
        place = self._list(mark) if token == _LIST else self._mapping(mark)
        self._depth -= 1
        return place

    def _scalar(self, token: str, mark: Mark) -> Spot:
        if token in _CONSTANTS:
            self._fault(mark, f"holds {token}, which is not JSON: write null or a number")
            return Spot(mark, None, token)
        digits = len(token.removeprefix("-"))
        if digits > MAX_DIGITS and token.removeprefix("-").isdigit():
            self._fault(mark, f"is not valid JSON: {too_many_digits(digits)}")
            return Spot(mark, token)
        value = json.loads(token)
        return Spot(mark, value, None if isinstance(value, str) else token)

    def _list(self, mark: Mark) -> Spot:
        inner: list[Spot] = []
        while (token := self._next())[0] != "]":
            if token[0] != ",":
                inner.append(self._value(*token))
        return Spot(mark, [place.value for place in inner], None, inner)

    def _mapping(self, mark: Mark) -> Spot:
        inner: dict[str, Spot] = {}
        keys: dict[str, Mark] = {}
        while (token := self._next())[0] != "}":
            if token[0] == ",":
                continue
            key = json.loads(token[0])
            if key in inner:
                said = f"has the key '{clip(key, LONGEST_SHOWN)}' twice in one object: keep one"
                self._fault(token[1], said)
            self._next()  # the colon
            keys[key] = token[1]
            inner[key] = self._value(*self._next())
        return Spot(mark, {key: place.value for key, place in inner.items()}, None, inner, keys)

    def _fault(self, mark: Mark, said: str) -> None:
        self._faults.append(Problem("invalid-json", self._source, said, *mark, self._source))
