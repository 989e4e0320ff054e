import pytest

from playbill.model.wording import clip, describe_seconds


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (0.01234, "12.3 ms"), (4.5, "4.5 s"), (99.9, "99.9 s"), (150, "2.5 min"), (7200, "2 h"),
     (864000, "10 days")],
)  # fmt: skip
def test_lengths_of_time_are_written_in_three_digits(seconds: float, told: str) -> None:
    assert describe_seconds(seconds) == told


@pytest.mark.parametrize(
    ("text", "told"), [("", ""), ("seven c", "seven c"), ("eight ch", "eight ch"), ("nine char", "nine ...")]
)
def test_a_long_text_is_cut_to_the_length_that_was_asked_for(text: str, told: str) -> None:
    assert clip(text, 8) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.001, "1 ms"), (0.9994, "999 ms"), (1.0, "1 s"), (100.0, "1.67 min"), (5999.0, "100 min"),
     (6000.0, "1.67 h"), (172799.0, "48 h"), (172800.0, "2 days"), (123456789.0, "1,429 days")],
)  # fmt: skip
def test_a_length_of_time_has_the_unit_that_keeps_it_short(seconds: float, told: str) -> None:
    assert describe_seconds(seconds) == told
