"""What a process writes becomes the same lines, wherever its bytes were parted."""

from hypothesis import given
from hypothesis import strategies as st

from playbill.runtime.processes.line_splitter import LONGEST_LINE, LineSplitter


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"a\n\nb"])))
def test_lines_are_those_of_the_whole_however_it_comes(parts: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for part in parts for line in splitter.feed(part)]
    assert [line.data for line in [*lines, splitter.end()]] == b"".join(parts).split(b"\n")
    assert not any(line.cut for line in lines)


def test_a_line_that_is_too_long_is_cut_and_the_next_is_whole() -> None:
    splitter = LineSplitter()
    first, second = splitter.feed(b"x" * LONGEST_LINE + b"yy\nshort\n")
    assert (first.data, first.cut) == (b"x" * LONGEST_LINE, True)
    assert (second.text, second.cut, splitter.left_out) == ("short", False, 2)


def test_what_has_no_end_never_grows() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * LONGEST_LINE) == []
    assert splitter.left_out == 99 * LONGEST_LINE
    assert len(splitter.end().data) == LONGEST_LINE
    assert repr(splitter) == f"<LineSplitter 0 bytes without an end, {99 * LONGEST_LINE} left out>"
