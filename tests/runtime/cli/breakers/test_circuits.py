"""The subcommand breakers, of a journal in which each kind of event of a circuit stands."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from playbill.model.events import Event, EventType
from playbill.runtime.cli import _call
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.plain_ports import NullKeeper

Out = pytest.CaptureFixture[str]
NOW = datetime.now(UTC)
T = EventType
OPENED = {"seconds": 7200.0, "openings": 2, "epoch": 3, "failure": "ConnectError: refused\x1b[31m", "policy": {}}
STREAMS: dict[str, list[tuple[EventType, float, dict[str, Any]]]] = {
    "http_call": [
        (T.BREAKER_OPENED, -3600, {**OPENED, "target": "a.example.com"}),
        (T.BREAKER_OPENED, -9000, {**OPENED, "target": "over.example.com"}),
        (T.BREAKER_OPENED, -3600, {**OPENED, "target": "probed.example.com"}),
        (T.BREAKER_HALF_OPENED, -60, {"epoch": 4, "target": "probed.example.com"}),
        (T.BREAKER_OPENED, -3600, {**OPENED, "target": "well.example.com"}),
        (T.BREAKER_CLOSED, -30, {"epoch": 5, "target": "well.example.com"}),
    ],
    "mail": [(T.BREAKER_FORCED, -120, {"state": "disabled", "epoch": 1})],
    "back": [(T.BREAKER_RECOVERED, -10, {**OPENED, "state": "open", "seconds": 30.0})],
}


async def _make(path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{path}")
    for name, events in STREAMS.items():
        stream = journal.open(f"breaker:{name}", NullKeeper())
        for seq, (kind, seconds, data) in enumerate(events, 1):
            at = NOW + timedelta(seconds=seconds)
            stream.append(Event(kind, f"breaker:{name}", seq, at, None, None, data))
        stream.push()
    await journal.aclose()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("breakers") / "runs.db"
    asyncio.run(_make(made))
    return made


def told(capsys: Out, path: Path, *more: str) -> str:
    assert _call(["breakers", "--journal", str(path), *more]) == 0
    return capsys.readouterr().out


def test_circuits_are_told_with_state_since_until_and_last_failure(capsys: Out, path: Path) -> None:
    circuits = {each.pop("key"): each for each in json.loads(told(capsys, path, "--json"))["circuits"]}
    opened, failure = NOW - timedelta(seconds=3600), str(OPENED["failure"])
    assert circuits["http_call/a.example.com"] == {
        "state": "open",
        "since": opened.isoformat(),
        "until": (opened + timedelta(seconds=7200)).isoformat(),
        "openings": 2,
        "last_failure": failure,
        "journal": str(path),
    }
    assert {key: (each["state"], each["until"] is None) for key, each in circuits.items()} == {
        "back": ("open", False),
        "http_call/a.example.com": ("open", False),
        "http_call/over.example.com": ("open", False),
        "http_call/probed.example.com": ("half_open", True),
        "mail": ("disabled", True),
    }
    assert circuits["mail"]["since"] == (NOW - timedelta(seconds=120)).isoformat()
    assert circuits["mail"]["last_failure"] is None


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_list_of_circuits_fits_its_terminal(
    capsys: Out, path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    from rich.console import Console

    monkeypatch.setattr("playbill.runtime.cli.breakers.listing.console", lambda: Console(width=width))
    lines = told(capsys, path).splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["✘", "✘", "✘", "◌", "○"]
    assert "\x1b" not in "".join(lines)
    assert sum("ConnectError: refused" in line for line in lines) == 4
    ends = [line.split()[-1] for line in lines if not line.startswith(" ")]
    if width >= 80:
        assert ends[2:] == ["probes", "probes", "reset"]  # of one whose time is over the next attempt does
    if width >= 140:
        assert ends[1] == "left)"


def test_of_several_journals_that_nobody_owns_none_has_circuits_to_set(
    capsys: Out, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYBILL_JOURNAL", str(path))
    assert _call(["breakers", "reset", "mail"]) == 2
    said = capsys.readouterr().err
    assert "circuit 'mail' cannot be set to closed: nobody owns this journal" in said
    assert "start the program that owns it" in said
