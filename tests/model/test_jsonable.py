from typing import Any

import pytest

from playbill.model.jsonable import why_not_json

CIRCLE: list[Any] = []
CIRCLE += [CIRCLE, CIRCLE]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [1, {"b": {1, 2}}]}, "output.a[1].b is set, which JSON cannot say"),
        ({"a": {1: 2}}, "output.a has the key 1, and keys are strings"),
        ({"a": float("nan")}, "output.a is nan, which JSON cannot say"),
        ({"a": b"x"}, "output.a is bytes, which JSON cannot say"),
    ],
)
def test_the_part_and_the_rule_are_named(value: object, why: str) -> None:
    assert why_not_json(value, "output") == why


def test_a_value_that_contains_itself_is_found_out() -> None:
    assert "nested more than 100 deep, or contains itself" in (why_not_json(CIRCLE, "output") or "")


def test_what_json_can_say_passes() -> None:
    assert why_not_json({"a": [1, 2.5, None, True, ("x", {})]}, "output") is None


@pytest.mark.parametrize(("depth", "passes"), [(100, True), (101, False)])
def test_a_hundred_levels_are_deep_enough(depth: int, passes: bool) -> None:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value} if depth % 2 else [value]
    assert (why_not_json(value, "output") is None) is passes


def test_a_whole_value_may_be_wrong() -> None:
    assert why_not_json(object(), "output") == "output is object, which JSON cannot say"
    assert why_not_json(float("-inf"), "output") == "output is -inf, which JSON cannot say"
    assert why_not_json([[], ["x", {3}]], "output") == "output[1][1] is set, which JSON cannot say"
