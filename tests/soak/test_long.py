"""A share of what `make test-long` does, and how it tells what came of its parts."""

import pytest

from tests.soak import hours, long
from tests.soak.hours import describe, live
from tests.soak.kills.__main__ import shares
from tests.soak.kills.lives import MAX_KILLS
from tests.soak.long import Part, PartEnd


def test_some_minutes_in_virtual_time_end_with_nothing_found() -> None:
    hour = live(0, 600.0)
    assert hour.wrong == ""
    assert hour.lives > 2
    assert hour.statuses["completed"] > 20
    assert describe(hour).startswith("seed 0: ")


def test_what_an_hour_finds_is_told_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hours.OUTPUTS, "sum", 0)
    wrong = live(0, 60.0).wrong
    assert wrong.startswith("seed 0, ")
    assert "AssertionError: 'run-" in wrong


@pytest.mark.parametrize("kills", [1, 5, 8, 9, 100])
def test_kills_are_spread_evenly_over_files(kills: int) -> None:
    found = shares(kills, 7)
    assert sum(of_file for _, of_file in found) == kills
    assert max(of_file for _, of_file in found) <= MAX_KILLS
    assert [seed for seed, _ in found] == list(range(7, 7 + len(found)))


def test_all_parts_run_and_the_exit_code_names_those_that_failed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    programs = ("print('one')", "print('two'); raise SystemExit(3)", "print('three')", "raise SystemExit(1)")
    made = tuple(Part(f"part {place}", ("-c", code)) for place, code in enumerate(programs))
    monkeypatch.setattr(long, "parts", lambda *numbers: made)
    assert long.main() == 2 + 8
    lines = [line.split() for line in capfd.readouterr().out.splitlines() if line.startswith("part")]
    assert [(line[1], line[8], line[-1]) for line in lines] == [
        ("0", "ok", "one"),
        ("1", "FAILED,", "two"),
        ("2", "ok", "three"),
        ("3", "FAILED,", "1"),
    ]


def test_a_part_s_line_tells_how_it_ended() -> None:
    end = PartEnd(Part("kills", ("-m", "x")), 1, 61.2, 92.0, "100 kills")
    assert long.describe(end) == "kills             61 s      92 s of CPU  FAILED, exit code 1  100 kills"
