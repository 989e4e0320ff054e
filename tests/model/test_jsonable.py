"""One rule makes plain JSON of values, and names what JSON cannot say by its place."""

import dataclasses
import enum
import json
import re
import subprocess
import sys
from collections import OrderedDict, UserDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import pydantic
import pytest

from playbill.model.frozen import freeze
from playbill.model.jsonable import NotJson, plain_json, why_not_json

CIRCLE: list[Any] = []
CIRCLE += [CIRCLE, CIRCLE]


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Word(enum.StrEnum):
    ONE = "one"


class Size(enum.IntEnum):
    LARGE = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Ratio(float):
    """A float of its own."""


class Point(NamedTuple):
    x: int
    when: date


Old = namedtuple("Old", "a b")  # noqa: PYI024 (it is what old code has)


class Within(msgspec.Struct):
    """No data: it has parts of its own."""

    _own: int


@dataclasses.dataclass(slots=True)
class Order:
    id: UUID
    total: Decimal
    parts: tuple[Point, ...] = ()


class Tagged(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    tags: set[str] = pydantic.Field(default_factory=set)
    nested: dict[str, frozenset[int]] = pydantic.Field(default_factory=dict)
    at: date | None = None
    other: Any = None


class Shouted(pydantic.BaseModel):
    text: str

    @pydantic.field_serializer("text")
    def _shout(self, text: str) -> str:
        return text.upper()


class Numbers(pydantic.RootModel[list[int]]):
    pass


ONE = UUID(int=1)
DAY, NOON = date(2026, 1, 2), datetime(2026, 1, 2, 12)  # noqa: DTZ001 (without a zone it shall stay)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (Order(ONE, Decimal("1.10"), (Point(1, DAY),)),
         {"id": str(ONE), "total": "1.10", "parts": [{"x": 1, "when": "2026-01-02"}]}),
        (Tagged(at=DAY, other=(1, b"x")),
         {"tags": [], "nested": {}, "at": "2026-01-02", "other": [1, "x"]}),
        (Tagged(other=np.float32(0.5)), {"tags": [], "nested": {}, "at": None, "other": 0.5}),
        (Shouted(text="a"), {"text": "A"}),
        (Numbers([1, 2]), [1, 2]),
        (Old(1, (2,)), {"a": 1, "b": [2]}),
        ((1, (2, [3])), [1, [2, [3]]]),
        ({"d": Decimal("1E+3"), "u": ONE, "p": Path("/a/b"), "q": PurePosixPath("c")},
         {"d": "1E+3", "u": str(ONE), "p": "/a/b", "q": "c"}),
        ([DAY, NOON, NOON.replace(tzinfo=UTC), time(1, 2)],
         ["2026-01-02", "2026-01-02T12:00:00", "2026-01-02T12:00:00+00:00", "01:02:00"]),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ([Colour.RED, Colour.PAIR, Word.ONE, Size.LARGE], ["red", [1, 2], "one", 3]),
        ({Word.ONE: Text("x"), "r": Ratio(0.5), "i": Size.LARGE}, {"one": "x", "r": 0.5, "i": 3}),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({Word.ONE, "a"}), ["a", "one"]),
        ({frozenset({2, 1}), frozenset({0})}, [[0], [1, 2]]),
        ({"m": MappingProxyType({"a": 1}), "u": UserDict(a=1), "o": OrderedDict(a=(1,))},
         {"m": {"a": 1}, "u": {"a": 1}, "o": {"a": [1]}}),
        ([10**4300 - 1], [10**4300 - 1]),
        ([np.float64(1.5), np.float32(0.5), np.int64(3), np.uint8(4), np.bool_(True), np.str_("s"), np.longdouble(2)],
         [1.5, 0.5, 3, 4, True, "s", 2.0]),
        ([np.datetime64("2026-01-02"), np.datetime64("2026-01-02T12:00:00", "ns"), np.timedelta64(90, "s")],
         ["2026-01-02", "2026-01-02T12:00:00", 90.0]),
    ],
)  # fmt: skip
def test_a_value_becomes_what_json_has_for_it(value: object, said: object) -> None:
    made = plain_json(value, "output")
    assert made == said
    assert kinds(made) <= {dict, list, str, int, float, bool, type(None)}


def kinds(value: Any) -> set[type]:
    """The classes of a value and of all in it."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return {type(value)}.union(*map(kinds, parts))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "output is object, which JSON cannot say"),
        ({"a": [1, {"b": {1, "x"}}]}, "output.a[1].b is a set of what cannot be sorted: give a list"),
        ({1, None}, "output is a set of what cannot be sorted: give a list"),
        ({"a": {1: 2}}, "output.a has the key 1, and keys are strings"),
        ([{Colour.RED: 2}], "output[0] has the key <Colour.RED: 'red'>, and keys are strings"),
        ({"a": float("nan")}, "output.a is nan, which JSON cannot say"),
        ([Ratio("-inf")], "output[0] is -inf, which JSON cannot say"),
        ((Decimal("NaN"),), "output[0] is Decimal NaN, which JSON cannot say"),
        ({"a": b"x"}, "output.a is bytes, which JSON cannot say: decode it, or give its base64 text"),
        (bytearray(b"x"), "output is bytearray, which JSON cannot say: decode it, or give its base64 text"),
        (memoryview(b"x"), "output is memoryview, which JSON cannot say: decode it, or give its base64 text"),
        (Old(1, {"x": [10**4300]}),
         "output.b.x[0] has more than 4,300 digits, which Python does not write as text"),
        (Tagged(other=[object()]), "output.other[0] is object, which JSON cannot say"),
        (Tagged(other={"x": np.array([1])}), "output.other.x is ndarray, which JSON cannot say: give its .tolist()"),
        (np.array(1.5), "output is ndarray, which JSON cannot say: give its .tolist()"),
        (np.float32("nan"), "output is nan, which JSON cannot say"),
        (np.bytes_(b"x"), "output is bytes, which JSON cannot say: decode it, or give its base64 text"),
        (np.datetime64("NaT"), "output is NaT, which JSON cannot say"),
        ([1j, np.complex64(1)], "output[0] is complex, which JSON cannot say"),
        (Order, "output is type, which JSON cannot say"),
        ([Within(1)], "output[0] is Within, which JSON cannot say"),
        (iter([]), "output is list_iterator, which JSON cannot say"),
    ],
)  # fmt: skip
def test_what_json_cannot_say_is_refused_by_name_and_place(value: object, why: str) -> None:
    with pytest.raises(NotJson) as caught:
        plain_json(value, "output")
    assert str(caught.value) == why


class Broken(UserDict[str, int]):
    def __iter__(self) -> Any:
        raise KeyError("gone")


@dataclasses.dataclass
class Half:
    x: int = dataclasses.field(init=False)


@pytest.mark.parametrize(
    ("value", "why"), [(Broken(), "Broken, which cannot be read: KeyError: 'gone'"), (Half(), "AttributeError")]
)
def test_what_raises_when_it_is_read_is_named(value: object, why: str) -> None:
    with pytest.raises(NotJson, match=r"^output\.a is ") as caught:
        plain_json({"a": value}, "output")
    assert why in str(caught.value)
    assert caught.value.__cause__ is not None


def test_the_order_of_sets_does_not_hang_on_the_seed_of_hashes() -> None:
    program = (
        "import pydantic, json\n"
        "from playbill.model.jsonable import plain_json\n"
        "class M(pydantic.BaseModel):\n  s: set[str]; t: dict[str, list[frozenset[str]]]\n"
        "names = set('some words of a sentence'.split())\n"
        "print(json.dumps(plain_json([names, M(s=names, t={'x': [frozenset(names)]})], 'output')))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    (line,) = said
    names = ["a", "of", "sentence", "some", "words"]
    assert json.loads(line) == [names, {"s": names, "t": {"x": [names]}}]


def test_what_is_frozen_already_stays_what_it_is() -> None:
    given = freeze({"a": [1, {"b": 2}]}, "n")
    assert plain_json({"x": given}, "output")["x"] is given


def test_a_copy_is_made_of_what_is_plain_already() -> None:
    given: dict[str, Any] = {"a": [1, {"b": 2}]}
    made = plain_json(given, "output")
    assert made == given
    assert made["a"][1] is not given["a"][1]


def test_numpy_is_not_imported() -> None:
    program = (
        "import sys, playbill, playbill.model.jsonable as j; j.plain_json([{1}], 'x'); print('numpy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_value_that_contains_itself_is_found_out() -> None:
    assert "nested more than 100 deep, or contains itself" in (why_not_json(CIRCLE, "output") or "")
    with pytest.raises(NotJson, match=r"^output is nested more than 100 deep, or contains itself: output\[0\]\[0\]"):
        plain_json(CIRCLE, "output")


@pytest.mark.parametrize(("depth", "passes"), [(100, True), (101, False)])
def test_a_hundred_levels_are_deep_enough(depth: int, passes: bool) -> None:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value} if depth % 2 else [value]
    assert (why_not_json(value, "output") is None) is passes
    for each in (value, freeze(value)):
        try:
            plain_json(each, "output")
        except NotJson:
            assert not passes
        else:
            assert passes


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [1, {"b": {1, 2}}]}, "inputs.a[1].b is set, which JSON cannot say"),
        ({"a": {1: 2}}, "inputs.a has the key 1, and keys are strings"),
        ({"a": float("nan")}, "inputs.a is nan, which JSON cannot say"),
        ({"a": b"x"}, "inputs.a is bytes, which JSON cannot say"),
        ([DAY], "inputs[0] is date, which JSON cannot say"),
        (object(), "inputs is object, which JSON cannot say"),
        ([10**4300], "inputs[0] has more than 4,300 digits, which Python does not write as text"),
        ({"a": [1, 2.5, None, True, ("x", {})]}, None),
    ],
)
def test_what_shall_be_json_as_it_stands_is_told_why_it_is_not(value: object, why: str | None) -> None:
    assert why_not_json(value, "inputs") == why


class Money(pydantic.BaseModel):
    cents: int

    @pydantic.model_serializer(when_used="json")
    def _say(self) -> dict[str, Any]:
        return {"amount": self.cents / 100, "currency": "EUR"}


class Ordered(pydantic.BaseModel):
    names: set[str]
    order: list[int]

    @pydantic.model_serializer(when_used="json")
    def _say(self) -> dict[str, Any]:
        return {"order": self.order, "names": sorted(self.names, reverse=True)}


class Row(pydantic.BaseModel, frozen=True):
    a: int


class Rows(pydantic.BaseModel):
    rows: set[Row]


class Anything(pydantic.BaseModel):
    x: Any = None


def test_what_a_model_says_of_itself_stays_whole() -> None:
    assert plain_json(Money(cents=5), "output") == {"amount": 0.05, "currency": "EUR"}
    assert plain_json(Ordered(names={"a"}, order=[3, 1, 2]), "output") == {"order": [3, 1, 2], "names": ["a"]}
    assert plain_json(Rows(rows={Row(a=1)}), "output") == {"rows": [{"a": 1}]}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_refused_in_a_model_too(number: float) -> None:
    for value, place in ((number, "output.x"), ({"q": [number]}, "output.x.q[0]")):
        with pytest.raises(NotJson, match=re.escape(f"{place} is {number}, which JSON cannot say")):
            plain_json(Anything(x=value), "output")
