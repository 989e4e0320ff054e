"""Plain JSON that nobody can change, and that is a dict and a list to everybody else."""

import copy
import dataclasses
import enum
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from playbill.model.expressions import compile_expression
from playbill.model.frozen import FrozenDict, FrozenList, copied, freeze, thaw

PLAIN = {"a": 1, "b": [1, {"c": [2.5, None, True, "x"]}], "d": {}}


def frozen() -> Any:
    return freeze(PLAIN, "n")


DICT_CHANGES: list[Callable[[Any], Any]] = [
    lambda it: it.__setitem__("a", 2),
    lambda it: it.__delitem__("a"),
    lambda it: it.__ior__({"a": 2}),
    lambda it: it.__init__(a=2),
    lambda it: it.clear(),
    lambda it: it.pop("a"),
    lambda it: it.popitem(),
    lambda it: it.setdefault("z", 1),
    lambda it: it.update(a=2),
]
LIST_CHANGES: list[Callable[[Any], Any]] = [
    lambda it: it.__setitem__(0, 2),
    lambda it: it.__setitem__(slice(None), []),
    lambda it: it.__delitem__(0),
    lambda it: it.__iadd__([1]),
    lambda it: it.__imul__(2),
    lambda it: it.__init__([1]),
    lambda it: it.append(1),
    lambda it: it.clear(),
    lambda it: it.extend([1]),
    lambda it: it.insert(0, 1),
    lambda it: it.pop(),
    lambda it: it.remove(1),
    lambda it: it.reverse(),
    lambda it: it.sort(),
]


@pytest.mark.parametrize("change", DICT_CHANGES)
def test_whatever_changes_a_dict_is_refused_and_names_the_node(change: Callable[[Any], Any]) -> None:
    for it in (frozen(), frozen()["b"][1], frozen()["d"]):
        before = dict(it)
        with pytest.raises(TypeError, match=r"what node 'n' gave is read-only.*copy.deepcopy"):
            change(it)
        assert it == before


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_whatever_changes_a_list_is_refused_and_names_the_node(change: Callable[[Any], Any]) -> None:
    it = frozen()["b"]
    with pytest.raises(TypeError, match="what node 'n' gave is read-only"):
        change(it)
    assert it == PLAIN["b"]


def test_every_method_that_changes_its_builtin_is_refused() -> None:
    reads = {
        dict: {"copy", "fromkeys", "get", "items", "keys", "values", "__or__", "__ror__"},
        list: {"copy", "count", "index", "__add__", "__mul__", "__rmul__"},
    }
    for kind, plain in ((FrozenDict, dict), (FrozenList, list)):
        public = {name for name in vars(plain) if not name.startswith("_")}
        changing = {"__setitem__", "__delitem__", "__init__", *(n for n in vars(plain) if n.startswith("__i"))}
        changing -= {"__iter__", "__init_subclass__"}
        assert {name for name in (public | changing) - reads[plain] if name not in vars(kind)} == set()


def test_what_a_run_was_started_with_says_so() -> None:
    with pytest.raises(TypeError, match="what the run was started with is read-only"):
        freeze({"a": 1})["a"] = 2


def plain_through(value: Any) -> bool:
    if type(value) is dict:
        return all(plain_through(item) for item in value.values())
    if type(value) is list:
        return all(plain_through(item) for item in value)
    return type(value) in {str, int, float, bool, type(None)}


@pytest.mark.parametrize(
    "copy_of",
    [copy.deepcopy, thaw, lambda it: pickle.loads(pickle.dumps(it)), lambda it: json.loads(json.dumps(it))],
)
def test_a_deep_copy_of_any_kind_is_plain(copy_of: Callable[[Any], Any]) -> None:
    made = copy_of(frozen())
    assert made == PLAIN
    assert plain_through(made)
    made["b"][1]["c"].append("free")
    assert frozen() == PLAIN


@pytest.mark.parametrize(
    ("made", "equal"),
    [
        (lambda it: it | {"z": 1}, PLAIN | {"z": 1}),
        (lambda it: {"z": 1} | it, {"z": 1} | PLAIN),
        (lambda it: it.copy(), PLAIN),
        (copy.copy, PLAIN),
        (lambda it: {**it}, PLAIN),
        (lambda it: it["b"] + [1], [*PLAIN["b"], 1]),  # type: ignore[misc]
        (lambda it: [1] + it["b"], [1, *PLAIN["b"]]),  # type: ignore[misc]
        (lambda it: it["b"] * 2, PLAIN["b"] * 2),  # type: ignore[operator]
        (lambda it: it["b"][:], PLAIN["b"]),
        (lambda it: it["b"].copy(), PLAIN["b"]),
        (lambda it: copy.copy(it["b"]), PLAIN["b"]),
        (sorted, ["a", "b", "d"]),
    ],
)
def test_what_is_made_from_it_is_plain_and_equal(made: Callable[[Any], Any], equal: Any) -> None:
    result = made(frozen())
    assert result == equal
    assert type(result) in {dict, list}


def test_it_is_a_dict_and_a_list_to_everybody() -> None:
    it = frozen()
    assert isinstance(it, dict)
    assert isinstance(it["b"], list)
    assert it == PLAIN
    assert it == PLAIN
    assert repr(it) == repr(PLAIN)
    assert json.dumps(it, indent=1) == json.dumps(PLAIN, indent=1)
    match it:
        case {"a": 1, "b": [first, *_]}:
            assert first == 1
        case _:
            pytest.fail("it matches as a dict does")


def test_pydantic_takes_it_and_gives_plain_ones() -> None:
    class Inner(pydantic.BaseModel):
        c: list[Any]

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(strict=True)
        a: int
        b: list[int | Inner]
        d: dict[str, int]
        rest: dict[str, Any]

    model = Model.model_validate({**frozen(), "rest": frozen()})
    assert plain_through(model.model_dump())
    assert model.model_dump() == {**PLAIN, "rest": PLAIN}
    assert json.loads(model.model_dump_json()) == {**PLAIN, "rest": PLAIN}


def test_cel_reads_it() -> None:
    expression = compile_expression("inputs.n.b[1].c[0] + double(inputs.n.a)", {"inputs"})
    assert expression.evaluate({"inputs": {"n": frozen()}}) == 3.5
    assert compile_expression("inputs.n", {"inputs"}).evaluate({"inputs": {"n": frozen()}}) == PLAIN


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Ratio(float):
    pass


def test_subclasses_of_jsons_types_become_what_they_are_made_from() -> None:
    made = thaw(freeze({Colour.RED: [Colour.RED, Size.LARGE, Ratio(2.5)], "o": OrderedDict(a=(1, 2))}, "n"))
    assert made == {"red": ["red", 3, 2.5], "o": {"a": [1, 2]}}
    assert plain_through(made)
    assert [type(key) for key in made] == [str, str]


def test_nothing_else_can_be_frozen() -> None:
    with pytest.raises(TypeError, match="object is nothing that JSON can say"):
        freeze({"a": [object()]}, "n")


def test_what_is_frozen_already_is_shared() -> None:
    it = frozen()
    again = freeze({"a": it}, "m")
    assert again["a"] is it


def test_a_copy_shares_only_what_is_no_dict_and_no_list() -> None:
    value = {"a": [{"b": object()}], 1: ()}
    made = copied(value)
    assert made == value
    assert made is not value
    assert made["a"] is not value["a"]
    assert made["a"][0] is not value["a"][0]


def test_another_of_its_kind_is_a_plain_one() -> None:
    frozen = freeze({"a": [1, {"b": 2}]}, "n")
    assert type(type(frozen)(a=1)) is dict
    assert type(type(frozen["a"])([1])) is list

    @dataclasses.dataclass
    class Holds:
        held: Any

    assert dataclasses.asdict(Holds(frozen)) == {"held": {"a": [1, {"b": 2}]}}
