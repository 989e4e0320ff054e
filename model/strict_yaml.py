"""Reads YAML: scalars as YAML 1.2's core schema has them, with the place of each value.

Refused is what hides mistakes or attacks: duplicate keys, keys that are not text, unknown tags, floods of aliases.
All that can be told in one reading is told at once. `<<` merges mappings, as YAML 1.1 had it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from playbill.model.errors import Problem
from playbill.model.places import MAX_DEPTH, MAX_DIGITS, Mark, Reading, Spot, TextError, mark_at, too_many_digits
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read", "resolve"]

MAX_ALIASED: Final = 100_000
"""Values that aliases may stand for in one file: a few lines of aliases can stand for billions."""
LONGEST_SHOWN: Final = 60

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BEGIN_NUMBERS: Final = frozenset("+-.0123456789")
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASES: Final = {"0o": (8, 0.91), "0x": (16, 1.21)}
"""A prefix: its base, and how many decimal digits one of its digits stands for, at most."""
_TOO_DEEP: Final = "exceeded maximum nesting depth"
"""As libyaml says it, before any event of what is so deep has come."""

_TAGS: Final = "tag:yaml.org,2002:"
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


def read(text: str, source: str) -> Reading:
    """Read one YAML document.

    Args:
        text: All of it.
        source: Its name, for the problems.

    Raises:
        TextError: It is not YAML, is nested too deeply, or its aliases stand for too much.
    """
    try:
        return _YamlReader(text, source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "it cannot be read"
        said = "nested too deeply" if said == _TOO_DEEP else said
        raise TextError(said, _mark(mark) if mark else None) from None
    except yaml.reader.ReaderError as error:
        raise TextError(f"character #x{error.character:04x}: {error.reason}", _first(text, error.character)) from None
    except UnicodeEncodeError as error:
        raise TextError(f"half a surrogate pair: {error.reason}", mark_at(text, error.start)) from None
    except yaml.YAMLError as error:
        raise TextError(str(error), None) from None


def resolve(text: str) -> str | float | bool | None:
    """Give what a plain scalar stands for.

    Raises:
        ValueError: A number has too many digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _BEGIN_NUMBERS:
        return text
    if _INT.fullmatch(text):
        return _int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text


def _int(text: str) -> int:
    base, share = _BASES.get(text[:2], (10, 1.0))
    digits = text[2:] if text[:2] in _BASES else text
    if (count := int(len(digits.lstrip("+-")) * share)) > MAX_DIGITS:
        raise ValueError(too_many_digits(count))
    return int(digits, base)


class _YamlReader:
    """Turns the parser's events into places; goes on behind what is wrong as long as it can."""

    def __init__(self, text: str, source: str) -> None:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # there is none where libyaml is missing
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._source = source
        self._faults: list[Problem] = []
        self._anchors: dict[str, Spot | None] = {}
        """None: it is being read."""
        self._aliased = 0
        self._depth = 0

    def document(self) -> Reading:
        """Read the only document."""
        root = Spot((1, 1), None)
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise TextError("a file holds one document, and here begins another", _mark(event.start_mark))
                root = self._value(next(self._events))
        return Reading(root, self._faults)

    def _value(self, event: Any) -> Spot:
        mark = _mark(event.start_mark)
        kind = cast("type[yaml.Event]", type(event))
        if kind is yaml.AliasEvent:
            return self._alias(event.anchor, mark)
        if kind is yaml.ScalarEvent:
            place = self._scalar(event, mark)
        else:
            if event.anchor is not None:
                self._anchors[event.anchor] = None
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise TextError(f"nested too deeply, over {MAX_DEPTH} levels", mark)
            place = self._mapping(event, mark) if kind is yaml.MappingStartEvent else self._list(event, mark)
            self._depth -= 1
        if event.anchor is not None:
            self._anchors[event.anchor] = place
        return place

    def _alias(self, name: str, mark: Mark) -> Spot:
        if name not in self._anchors:
            raise TextError(f"the alias '*{name}' names no anchor before it", mark)
        place = self._anchors[name]
        if place is None:
            raise TextError("an alias stands inside its own anchor", mark)
        self._aliased += place.size
        if self._aliased > MAX_ALIASED:
            raise TextError(f"aliases stand for over {MAX_ALIASED} values", mark)
        return place

    def _scalar(self, event: Any, mark: Mark) -> Spot:
        text: str = event.value
        try:
            value = self._resolve(event, mark)
        except ValueError as error:
            self._fault(mark, str(error))
            value = text
        return Spot(mark, value, None if isinstance(value, str) else text)

    def _resolve(self, event: Any, mark: Mark) -> str | float | bool | None:
        text, tag = event.value, event.tag
        if tag is None:
            return resolve(text) if event.implicit[0] else text
        name = tag.removeprefix(_TAGS)
        if name in {"str", "!"}:
            return str(text)
        if name not in _KINDS:
            self._unknown_tag(tag, mark)
            return str(text)
        value = resolve(text)
        if not isinstance(value, _KINDS[name]) or (isinstance(value, bool) and name != "bool"):
            raise ValueError(
                f"'{clip(text, LONGEST_SHOWN)}' is not what its tag '!!{name}' says: mend one of the two"
            )
        return float(value) if name == "float" and value is not None else value

    def _list(self, event: Any, mark: Mark) -> Spot:
        self._check_tag(event.tag, "seq", mark)
        inner: list[Spot] = []
        while type(event := next(self._events)) is not yaml.SequenceEndEvent:
            inner.append(self._value(event))
        size = 1 + sum(place.size for place in inner)
        return Spot(mark, [place.value for place in inner], None, inner, {}, size)

    def _mapping(self, event: Any, mark: Mark) -> Spot:
        self._check_tag(event.tag, "map", mark)
        made = Spot(mark, {}, None, {})
        own: dict[str, Spot] = {}
        merged: dict[str, Spot] = {}
        while type(event := next(self._events)) is not yaml.MappingEndEvent:
            key_mark = _mark(event.start_mark)
            if type(event) is yaml.ScalarEvent and event.value == "<<" and event.implicit[0]:
                value = self._value(next(self._events))
                self._merge(value, key_mark, made, merged)
            else:
                key = self._key(event, key_mark, own)
                value = own[key] = self._value(next(self._events))
                made.keys[key] = key_mark
            made.size += 1 + value.size
        made.inner = {**merged, **own}
        made.value = {key: place.value for key, place in made.inner.items()}
        return made

    def _key(self, event: Any, mark: Mark, own: dict[str, Spot]) -> str:
        place = self._value(event)
        key = place.written if place.written is not None else place.value
        if not isinstance(place.value, str):
            shown = clip(repr(place.value), LONGEST_SHOWN)
            self._fault(mark, f"has a key that is not text, {shown}: put it in quotes", "invalid-key")
        key = key if isinstance(key, str) else clip(repr(key), LONGEST_SHOWN)
        if key in own:
            self._fault(mark, f"the key '{clip(key, LONGEST_SHOWN)}' stands twice in one mapping: keep one")
        return key

    def _merge(self, value: Spot, mark: Mark, made: Spot, merged: dict[str, Spot]) -> None:
        """Add what `<<` brings, a mapping or a list of them: the first that has a key wins, an own one before all."""
        for each in value.inner if isinstance(value.inner, list) else [value]:
            if not isinstance(each.inner, dict):
                self._fault(mark, f"'<<' merges mappings, and {clip(repr(each.value), LONGEST_SHOWN)} is none")
                continue
            for key, place in each.inner.items():
                merged.setdefault(key, place)
                made.keys.setdefault(key, each.keys.get(key, place.mark))

    def _check_tag(self, tag: str | None, kind: str, mark: Mark) -> None:
        if tag is not None and tag not in {"!", _TAGS + kind}:
            self._unknown_tag(tag, mark)

    def _unknown_tag(self, tag: str, mark: Mark) -> None:
        shown = f"!!{tag.removeprefix(_TAGS)}" if tag.startswith(_TAGS) else tag
        self._fault(mark, f"the tag '{clip(shown, LONGEST_SHOWN)}' is not for what stands here: leave it out")

    def _fault(self, mark: Mark, said: str, code: str = "invalid-yaml") -> None:
        said = said if said.startswith("has ") else f"is not valid YAML: {said}"
        self._faults.append(Problem(code, self._source, said, *mark, self._source))


def _mark(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _first(text: str, character: int) -> Mark:
    return mark_at(text, max(text.find(chr(character)), 0))
