"""Texts of values that may do anything when they are asked."""

from typing import Any

import pytest

from playbill.model.plain_text import MAX_TEXT_BYTES, bounded, name_of, repr_of, text_of


class Loud(str):
    """A text that raises when it is used."""

    __slots__ = ()

    def __str__(self) -> str:
        raise KeyError("x")

    def encode(self, *_: Any) -> bytes:
        raise SystemExit(3)


class Lying(type):
    """The class of classes that do not say their names."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit(3)


class Nameless(metaclass=Lying):
    """Says neither its name nor its text."""

    def __str__(self) -> str:
        raise SystemExit(3)

    def __repr__(self) -> str:
        raise KeyboardInterrupt


def test_a_class_is_named_whatever_its_own_class_says() -> None:
    assert name_of(Nameless) == "Nameless"
    assert name_of(type("X" * 1000, (), {})) == "X" * 197 + "..."


def test_what_cannot_say_its_text_is_told_by_what_it_raised() -> None:
    assert text_of(Nameless()) == "(its text cannot be had: SystemExit)"
    assert repr_of(Nameless()) == "(its text cannot be had: KeyboardInterrupt)"
    assert (text_of(7), repr_of("7")) == ("7", "'7'")


def test_a_text_of_another_class_becomes_a_plain_one() -> None:
    class Texts:
        def __str__(self) -> str:
            return Loud("loud")

    assert text_of(Texts()) == "loud"
    assert type(text_of(Texts())) is str


@pytest.mark.parametrize("character", ["x", "é", "€", "😀", "\udc80"])
def test_a_long_text_keeps_both_ends_and_says_how_much_was_cut(character: str) -> None:
    text = "begin " + character * MAX_TEXT_BYTES + " end"
    cut = bounded(text)
    assert len(cut.encode(errors="surrogatepass")) <= MAX_TEXT_BYTES
    assert cut.startswith("begin " + character * 100)
    assert cut.endswith(character * 100 + " end")
    head, said, tail = cut.split("\n")
    size = len(text.encode(errors="surrogatepass"))
    kept = len(head.encode(errors="surrogatepass")) + len(tail.encode(errors="surrogatepass"))
    assert said == f"... {size - kept:,} bytes were cut ..."


def test_a_text_that_just_fits_is_kept() -> None:
    assert bounded("x" * MAX_TEXT_BYTES) == "x" * MAX_TEXT_BYTES
    assert bounded("€" * (MAX_TEXT_BYTES // 3)) == "€" * (MAX_TEXT_BYTES // 3)
