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
