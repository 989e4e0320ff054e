"""Attributes of runs: few, short, scalars, under names that can be written anywhere."""

from math import inf
from typing import Any

import pytest

from playbill.model.attributes import MAX_ATTRIBUTES, check_attributes, check_count
from playbill.model.errors import DefinitionError


@pytest.mark.parametrize(
    "attributes", [{}, {"a": "", "_b.c-d": 1, "é": 2.5, "x" * 64: False}, {"a": "x" * 4096}, {"a": 10**30}]
)
def test_names_of_letters_and_scalars_are_taken(attributes: dict[str, Any]) -> None:
    check_attributes(attributes)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("x", "attributes are a mapping of names to text, numbers and bools, not 'x'"),
        ({1: "x"}, "attribute 1: a name begins with a letter or '_'"),
        ({"": "x"}, "attribute '': a name begins"),
        ({"1a": "x"}, "attribute '1a': a name begins"),
        ({"x" * 65: "x"}, "a name begins"),
        ({"a b": "x"}, "attribute 'a b': a name begins"),
        ({"a": None}, "attribute 'a' is None, and takes text, a number or a bool"),
        ({"a": [1]}, "attribute 'a' is [1], and takes"),
        ({"a": inf}, "attribute 'a' is inf, and takes a finite number"),
        ({"a": "é" * 2049}, "attribute 'a' has 4,098 bytes, over the limit of 4,096: give a reference"),
        ({f"a{number}": 1 for number in range(65)}, "a run has up to 64 attributes, and these are 65"),
    ],
)
def test_all_else_is_refused_by_its_name(attributes: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as told:
        check_attributes(attributes)
    assert said in str(told.value)


def test_their_number_is_bounded() -> None:
    check_count(MAX_ATTRIBUTES)
    with pytest.raises(DefinitionError, match="leave some out"):
        check_count(MAX_ATTRIBUTES + 1)
