"""What an attempt says on its way to the journal: from which thread, how much of it, until when."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from playbill.model.facts import Now
from playbill.runtime.journals.listing import LogLine
from playbill.runtime.journals.log_quota import MAX_LOG_CHARACTERS, MAX_LOG_LINES
from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.attempt import Identity
from playbill.runtime.runners.logs.line_keeper import LineKeeper
from playbill.runtime.runners.logs.lines import AttemptLines
from playbill.runtime.runners.logs.node_log import NodeLog
from playbill.runtime.runners.logs.program_output import ProgramOutput

AT = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A clock, a journal that keeps what it is told, a dispatcher that waits, and the attempt."""

    def __init__(self) -> None:
        self.at = AT
        self.closed = self.is_silent = False
        self.streams = {"r": self}
        self.identity = Identity("r", "a", 1)
        self.kept: list[LogLine] = []
        self.calls: list[tuple[Callable[[Any], None], Any]] = []
        self.is_inside = True
        self.failure: Exception | None = None
        self.keeper = LineKeeper(self, self)
        dispatcher: Any = self
        self.lines = AttemptLines(self, self.keeper, dispatcher)

    def now(self) -> Now:
        return Now(0.0, self.at)

    def log(self, run_id: str, line: LogLine) -> None:
        if self.failure:
            raise self.failure
        assert run_id == "r"
        self.kept.append(line)

    def inside(self) -> bool:
        return self.is_inside

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        self.calls.append((call, argument))
        return True

    def turn(self) -> None:
        """Do what the loop was called for."""
        calls, self.calls = self.calls, []
        for call, argument in calls:
            call(argument)

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.kept]


@pytest.fixture
def world() -> World:
    return World()


def test_on_the_loop_a_line_is_kept_at_once(world: World) -> None:
    world.lines.add("info", "one")
    assert world.kept == [LogLine(node_id="a", attempt=1, number=0, at=AT, level="info", text="one")]
    assert world.calls == []


def test_from_a_thread_the_loop_is_called_once_for_all_lines_there_are(world: World) -> None:
    world.is_inside = False
    for text in ("one", "two", "three"):
        world.lines.add("info", text)
    assert (world.kept, len(world.calls)) == ([], 1)
    world.turn()
    assert world.texts == ["one", "two", "three"]
    world.lines.add("info", "four")
    assert len(world.calls) == 1
    world.turn()
    assert world.texts[3:] == ["four"]


def test_a_line_of_the_loop_does_not_overtake_those_of_threads(world: World) -> None:
    world.is_inside = False
    world.lines.add("info", "one")
    world.is_inside = True
    world.lines.add("info", "two")
    assert world.texts == ["one", "two"]
    world.turn()
    assert world.texts == ["one", "two"]


def test_the_time_of_a_line_is_when_it_was_said(world: World) -> None:
    world.is_inside = False
    world.lines.add("info", "one")
    world.at = AT.replace(hour=5)
    world.turn()
    assert [line.at for line in world.kept] == [AT]


@pytest.mark.parametrize("text", ["x", "x" * 1000])
def test_what_is_over_the_quota_waits_nowhere(world: World, text: str) -> None:
    world.is_inside = False
    for _ in range(10 * MAX_LOG_LINES):
        world.lines.add("info", text)
    world.turn()
    assert len(world.kept) == min(MAX_LOG_LINES, MAX_LOG_CHARACTERS // len(text) + 1)
    assert sum(map(len, world.texts)) <= MAX_LOG_CHARACTERS
    assert [line.cut for line in world.kept] == [*[False] * (len(world.kept) - 1), True]
    assert not world.lines.has_room
    assert world.calls == []


def test_what_many_threads_say_is_kept_each_in_its_order(world: World) -> None:
    world.is_inside = False

    def talk(name: str) -> None:
        for number in range(50):
            world.lines.add(name, str(number))

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.turn()
    for name in "abcd":
        assert [line.text for line in world.kept if line.level == name] == [str(number) for number in range(50)]


def test_what_comes_after_the_end_is_kept_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "playbill")
    world.is_inside = False
    world.lines.add("info", "late")
    world.is_silent = True
    world.turn()
    assert world.kept == []
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.getMessage() == "a line comes after the end of attempt 1 of node 'a' in run 'r', and is not kept"


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_run_that_is_over_loses_its_lines_quietly(world: World, how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "playbill")
    if how == "closed":
        world.closed = True
    else:
        world.streams.clear()
    world.lines.add("info", "late")
    assert world.kept == []
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


def test_a_journal_that_fails_fails_no_handler(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.failure = ValueError("no room")
    world.lines.add("info", "one")
    (record,) = caplog.records
    assert record.getMessage() == "a line of node 'a' in run 'r' is not kept"
    assert "no room" in caplog.text


# ---- the log of a handler -----------------------------------------------------------------------------------------


class Counted:
    """Counts how often it is asked for its text."""

    asked = 0

    def __str__(self) -> str:
        self.asked += 1
        return "counted"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_a_record_is_put_together_once_and_not_at_all_when_nobody_wants_it(
    world: World, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, "playbill.node")
    log = NodeLog({"run_id": "r", "node_id": "a", "attempt": 1}, str, world.lines)
    said = Counted()
    log.info("it is %s", said)
    assert (world.texts, said.asked) == (["it is counted"], 1)
    for _ in range(2 * MAX_LOG_LINES):
        world.lines.add("info", "more")
    caplog.set_level(logging.ERROR, "playbill.node")
    log.info("it is %s", said)
    assert said.asked == 1


def test_a_level_of_ones_own_has_its_name(world: World) -> None:
    log = NodeLog({"run_id": "r", "node_id": "a", "attempt": 1}, str, world.lines)
    log.log(15, "between")
    log.error("wrong", exc_info=ValueError("why"))
    assert [line.level for line in world.kept] == ["level 15", "error"]
    assert world.texts[1] == "wrong\nValueError: why"


# ---- the output of a program --------------------------------------------------------------------------------------


def test_lines_of_a_program_are_kept_when_they_end_or_it_does(world: World) -> None:
    output = ProgramOutput(world.lines, Redaction())
    output.feed("stdout", b"on")
    output.feed("stderr", b"oops\nno")
    assert world.texts == ["oops"]
    output.feed("stdout", b"e\n\ntwo\n\xff")
    output.end()
    assert [(line.level, line.text) for line in world.kept] == [
        ("stderr", "oops"), ("stdout", "one"), ("stdout", "two"), ("stdout", "\ufffd"), ("stderr", "no"),
    ]  # fmt: skip


def test_a_secret_of_several_short_lines_is_hidden_in_what_a_program_writes(world: World) -> None:
    output = ProgramOutput(world.lines, Redaction(["abc\ndef\nghi"]))
    output.feed("stdout", b"before\nabc\ndef\nghi\nafter\n")
    assert world.texts == ["before", "***", "after"]


@pytest.mark.parametrize("shown", range(1, 30, 3))
def test_no_part_of_a_secret_is_left_where_a_long_line_is_cut(world: World, shown: int) -> None:
    secret = "hunter2-hunter3-hunter4-hunter5"
    output = ProgramOutput(world.lines, Redaction([secret]))
    output.feed("stdout", b"x" * (16 * 1024 - shown) + secret.encode() + b"\nnext\n")
    long, after = world.kept
    assert "hu" not in long.text
    assert (long.cut, after.text, after.cut) == (True, "next", False)


def test_a_program_that_writes_without_end_is_cut(world: World) -> None:
    output = ProgramOutput(world.lines, Redaction())
    for _ in range(100):
        output.feed("stdout", b"line\n" * 1000)
    assert [line.cut for line in world.kept] == [*[False] * (MAX_LOG_LINES - 1), True]
