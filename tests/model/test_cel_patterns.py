"""Patterns: what a regular expression would cost the engines of Rust."""

import pytest

from playbill.model.cel_patterns import pattern_cost


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [
        ("", 1),
        ("abc", 4),
        ("a{3}", 4),
        ("a{2,5}b", 7),
        ("(ab){10}", 31),
        ("((ab){10}c){2}", 65),
        ("[a-z]{8}", 9),
        ("[[a-z][0-9]]{8}", 9),
        (r"[\]]{8}", 9),
        (r"a\{3}", 5),
        ("a{ 3 }", 4),
        ("{3}", 2),
        ("a)b", 4),
        ("(a", 2),
    ],
)
def test_a_repetition_is_as_many_positions(pattern: str, positions: int) -> None:
    assert pattern_cost(pattern).positions == positions


@pytest.mark.parametrize(
    ("pattern", "compiling"),
    [
        ("abc", 4),
        ("a.c", 33),
        (r"\d", 301),
        (r"[^\d]", 301),
        (r"\w", 2001),
        (r"[\w-]", 2001),
        (r"\pL{10}", 20001),
        (r"\p{Greek}{10}", 20001),
        ("[[:alpha:]]", 2001),
    ],
)
def test_the_classes_of_unicode_take_long_to_compile(pattern: str, compiling: int) -> None:
    assert pattern_cost(pattern).compiling == compiling
