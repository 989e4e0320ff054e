"""What is written while a board is drawn is handed on in whole lines, all of it, whoever wrote it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from playbill.runtime.cli.terminal.capture import LONGEST_LINE, TerminalCapture


class Caught:
    """A captured descriptor, and what came of it."""

    def __init__(self) -> None:
        self.target, self.written_to = os.pipe()
        self.lines: list[str] = []
        self.rests: list[str] = []
        self.ticked = threading.Event()
        self.capture = TerminalCapture([self.written_to], self.lines.append, self.tick)

    def tick(self, rest: str) -> None:
        self.rests.append(rest)
        self.ticked.set()

    def text(self) -> str:
        self.capture.close()
        return "\n".join(self.lines)


@pytest.fixture
def caught() -> Iterator[Caught]:
    made = Caught()
    yield made
    os.close(made.target)
    os.close(made.written_to)


def test_all_that_is_written_comes_in_its_order_also_without_an_end(caught: Caught) -> None:
    for number in range(2000):
        os.write(caught.written_to, f"line {number}\n".encode())
    os.write(caught.written_to, "no énd".encode())
    assert caught.text() == "\n".join([*(f"line {number}" for number in range(2000)), "no énd"])


def test_more_than_a_pipe_holds_makes_nobody_wait_for_ever(caught: Caught) -> None:
    with os.fdopen(os.dup(caught.written_to), "wb", buffering=0) as file:
        for _ in range(64):
            file.write(b"x" * 65_536)
    text = caught.text()
    assert text.count("x") == 64 * 65_536
    assert max(map(len, caught.lines)) <= LONGEST_LINE + 65_536


def test_what_a_child_writes_is_caught_too(caught: Caught) -> None:
    subprocess.run([sys.executable, "-c", "print('of a child')"], stdout=caught.written_to, check=True)
    assert caught.text() == "of a child"


def test_a_line_that_has_no_end_yet_is_shown_meanwhile(caught: Caught) -> None:
    os.write(caught.written_to, b"working")
    while "working" not in caught.rests:
        caught.ticked.clear()
        assert caught.ticked.wait(10)
    assert caught.lines == []
    assert caught.text() == "working"


def test_a_character_that_comes_in_pieces_is_whole(caught: Caught) -> None:
    first, second = "✔".encode()[:1], "✔".encode()[1:]
    os.write(caught.written_to, first)
    while not caught.rests:
        assert caught.ticked.wait(10)
    os.write(caught.written_to, second + b"\xff\n")
    assert caught.text() == "✔\N{REPLACEMENT CHARACTER}"


def test_a_terminal_that_has_gone_stops_nobody() -> None:
    target, written_to = os.pipe()

    def gone(_: str) -> None:
        raise OSError("the terminal has gone")

    capture = TerminalCapture([written_to], gone, gone)
    for _ in range(10):
        os.write(written_to, b"x" * 60_000 + b"\n")
    capture.close()
    os.write(written_to, b"after")  # the descriptor is itself again
    assert os.read(target, 10) == b"after"
    os.close(target)
    os.close(written_to)
