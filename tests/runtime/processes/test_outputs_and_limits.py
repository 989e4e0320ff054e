"""What handlers in processes write, and what they may use."""

import logging
import resource
from typing import Any

import pytest

from playbill.runtime.runners.workers.limits import Limits
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_logged_line_by_line(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await bank.output(bodies.writes)
    said = {level: [r.getMessage() for r in caplog.records if r.levelno == level] for level in (20, 30)}
    lines = ["to stdout", "by descriptor", "by a child", "no end"]
    assert said == {20: [f"r/n#1: {line}" for line in lines], 30: ["r/n#1: to stderr"]}


async def test_a_flood_is_cut_in_the_log_and_does_not_grow_our_memory(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await bank.output(bodies.nothing)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await bank.output(bodies.floods, 200_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB; of 195,000
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines[0]) == 16 * 1024 + len("r/n#1: ")
    assert 1_000_000 < sum(map(len, lines)) < 1_200_000
    assert lines[-1].startswith("r/n#1: ... 198,9")
    assert lines[-1].endswith("more bytes were written and left out of the log")


async def test_a_flood_of_lines_that_nobody_wants_is_not_logged(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await bank.output(bodies.floods, 1_000_000)
    assert caplog.records == []


async def test_a_thread_that_never_stops_writing_holds_no_result_back(bank: Bank) -> None:
    assert await bank.output(bodies.leaves_a_chatterbox) == {"chats": True}
    assert "pid" in await bank.output(bodies.pid)


async def test_closed_outputs_are_there_again_for_the_next_attempt(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    closed = await bank.output(bodies.closes_stdout)
    assert (await bank.output(bodies.pid))["pid"] == closed["pid"]
    await bank.output(bodies.writes)
    assert "r/n#1: to stdout" in [record.getMessage() for record in caplog.records]
    assert "r/n#1: to stderr" in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("handler", "limits", "text"),
    [
        (bodies.burns, Limits(cpu_seconds=1), "limit cpu_seconds of 1 reached"),
        (bodies.burns, Limits(wall_seconds=0.1), "limit wall_seconds of 0.1 reached"),
        (bodies.eats, Limits(memory_bytes=100_000_000), "limit memory_bytes of 100,000,000 reached"),
        (bodies.aborts, Limits(memory_bytes=100_000_000), "limit memory_bytes of 100,000,000 reached"),
        (bodies.opens, Limits(open_files=5), "limit open_files of 5 reached"),
    ],
)
async def test_a_limit_that_is_reached_is_named(bank: Bank, handler: Any, limits: Limits, text: str) -> None:
    failure = await bank.failure(handler, 6, limits=limits)
    assert (failure.type, failure.message, failure.retryable) == (
        "HandlerKilled",
        f"handler was killed: {text}",
        True,
    )


async def test_within_its_limits_a_handler_is_not_harmed_and_the_next_has_none(bank: Bank) -> None:
    limits = Limits(cpu_seconds=1, memory_bytes=2_000_000_000, open_files=5, wall_seconds=30)
    before = await bank.output(bodies.pid)
    assert await bank.output(bodies.opens, 5, limits=limits) == {"opened": 5}
    assert await bank.output(bodies.opens, 300) == {"opened": 300}
    assert (await bank.output(bodies.sees_things))["alarm"] == 0
    assert await bank.output(bodies.pid) == before


async def test_an_error_without_a_limit_stays_what_it_is(bank: Bank) -> None:
    assert (await bank.failure(bodies.segfaults, limits=Limits(cpu_seconds=5))).message.endswith("SIGSEGV")
    failure = await bank.failure(bodies.opens, 100_000)
    assert failure.type == "OSError"
