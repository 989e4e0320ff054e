"""The commands that only look at runs, over one folder of journals; none of them needs the runs' types."""

import asyncio
import json
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.facts import RunStatus
from playbill.runtime.cli import _call
from playbill.runtime.cli.runs.journal_files import EndedStatus
from playbill.runtime.cli.runs.listing import ListedStatus
from playbill.runtime.journals.codec import event_from_json
from playbill.runtime.journals.index import ENDED

Out = pytest.CaptureFixture[str]


async def _make(folder: Path) -> None:
    """Keep a run of each kind: ended in each way, paused, left in the midst, set aside."""
    types = types_made()
    async with playbill.PipelineRunManager(journal=f"sqlite:///{folder}/runs.db", types=types) as manager:
        await (await manager.start_run(pipeline("works"), {"n": 1}, run_id="works-1")).result()
        await (await manager.start_run(pipeline("fails"), {"n": 1}, run_id="fails-1")).result()
        await (await manager.start_run(pipeline("waits"), run_id="late-1", timeout_seconds=0.01)).result()
        stopped = await manager.start_run(pipeline("waits"), run_id="stopped-1")
        await stopped.cancel("enough")
        await stopped.result()
    url = f"sqlite:///{folder}/runs-2.db"
    async with playbill.PipelineRunManager(journal=url, types=types, on_exit="park") as manager:
        paused = await manager.start_run(pipeline("waits"), run_id="paused-1")
        await paused.pause()
        await (await manager.start_run(pipeline("waits"), run_id="aside-1")).pause()
        delay = {"id": "a", "type": "delay", "config": {"seconds": 3600}}
        await manager.start_run({"name": "left", "nodes": [delay]}, run_id="left-1")
    async with playbill.PipelineRunManager(journal=url, types=types[:1], on_exit="park") as manager:
        assert set((await manager.recovered()).set_aside) == {"aside-1", "paused-1"}
    async with playbill.PipelineRunManager(journal=url, types=types, on_exit="park", recover=False) as manager:
        await manager.open_run("paused-1")


def pipeline(name: str) -> dict[str, Any]:
    nodes = [{"id": "start", "type": "trigger", "next": "work"}, {"id": "work", "type": f"reading_{name}"}]
    return {"name": f"pipeline-{name}", "nodes": nodes}


def types_made() -> list[Any]:
    """Node types of this module alone: what a module defines, managers of others would find, too."""

    @playbill.node_type("reading_works")
    async def works(node: object, inputs: object, context: Any) -> dict[str, int]:
        context.log.info("a\tb")
        context.log.warning("nearly \x1b[31mdone")
        return {"n": context.trigger_data["n"]}

    @playbill.node_type("reading_fails")
    async def fails(node: object, inputs: object, context: Any) -> None:
        raise playbill.NodeConfigError("no such order")

    @playbill.node_type("reading_waits")
    async def waits(node: object, inputs: object, context: Any) -> None:
        await context.sleep(3600)

    return [works, fails, waits]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    asyncio.run(_make(folder / ".playbill"))
    return folder


@pytest.fixture(autouse=True)
def there(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kept)
    monkeypatch.delenv("PLAYBILL_JOURNAL")
    monkeypatch.setattr("playbill.runtime.cli.runs.recovering.show_logs", lambda _verbosity: None)  # as they are here


def listed(capsys: Out, *arguments: str) -> list[str]:
    assert _call(["runs", "--json", *arguments]) == 0
    return [run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]]


EVERY = ["left-1", "aside-1", "paused-1", "stopped-1", "late-1", "fails-1", "works-1"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], EVERY),
        (["--status", "failed", "--status", "timeout"], ["late-1", "fails-1"]),
        (["--status", "interrupted"], ["left-1"]),
        (["--pipeline", "pipeline-works"], ["works-1"]),
        (["--text", "TOPPED-"], ["stopped-1"]),
        (["--since", "1h"], EVERY),
        (["--until", "1h"], []),
        (["--since", "2020-01-01", "--until", "2020-01-02T00:00Z"], []),
        (["--limit", "2"], ["left-1", "aside-1"]),
        (["--attribute", "city=Lyon"], []),
        (["--journal", ".playbill/runs-2.db"], ["left-1", "aside-1", "paused-1"]),
    ],
)
def test_runs_of_all_journals_are_listed_the_newest_first(
    capsys: Out, arguments: list[str], found: list[str]
) -> None:
    assert listed(capsys, *arguments) == found


def test_the_list_says_what_became_of_each_and_what_may_be_done(capsys: Out) -> None:
    assert _call(["runs", "--limit", "6"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines if not line.startswith("  ")] == [
        ["↻", "interrupted", "left-1"],
        ["○", "paused", "aside-1"],
        ["○", "paused", "paused-1"],
        ["■", "cancelled", "stopped-1"],
        ["✘", "timeout", "late-1"],
        ["✘", "failed", "fails-1"],
    ]
    assert lines[1] == "  its process has gone: `playbill recover left-1`"
    assert lines[3].startswith("  set aside: ")
    assert err == "there are more: the newest 6 are shown; --limit shows more, --until older ones\n"
    assert "\x1b" not in out


def test_none_is_told_apart_from_none_such(capsys: Out, tmp_path: Path) -> None:
    _call(["runs", "--status", "running", "--text", "x"])
    assert capsys.readouterr().err == "no such run is kept here\n"


@pytest.mark.parametrize(
    ("run_id", "head"),
    [
        ("work", "✔ works-1  completed in "),
        ("fails-1", "✘ fails-1  failed in "),
        ("late-1", "✘ late-1  timeout in "),
        ("stopped-1", "■ stopped-1  cancelled in "),
        ("left-1", "↻ left-1  interrupted: 1 running"),
        ("paused-1", "○ paused-1  paused: "),
    ],
)
def test_a_run_is_shown_at_a_glance(capsys: Out, run_id: str, head: str) -> None:
    assert _call(["show", run_id]) == 0
    assert capsys.readouterr().out.startswith(head)


def test_what_is_shown_has_cause_nodes_and_reason(capsys: Out, kept: Path) -> None:
    _call(["show", "fails-1"])
    shown = capsys.readouterr().out
    assert "node 'work': NodeConfigError: no such order\n" in shown
    assert f"journal    {kept / '.playbill/runs.db'}\n" in shown
    assert shown.splitlines()[-1].startswith("✘ work")
    _call(["show", "aside-1"])
    assert "\nset aside  since " in capsys.readouterr().out
    _call(["show", "aside-1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["left"], told["suspended_reason"] is None) == ("paused", True, False)
    assert told["node_results"]["work"]["status"] == "not_started"


@pytest.mark.parametrize(
    ("run_id", "code", "outputs"),
    [
        ("works-1", 0, {"work": {"n": 1}}),
        ("fails-1", 1, None),
        ("late-1", 124, None),
        ("stopped-1", 130, None),
        ("left-1", 75, None),
        ("aside-1", 75, None),
    ],
)
def test_a_result_is_printed_as_run_does_and_exits_with_its_code(
    capsys: Out, run_id: str, code: int, outputs: object
) -> None:
    assert _call(["result", run_id]) == code
    out = capsys.readouterr().out
    assert (json.loads(out) if out else None) == outputs
    if code != 75:
        assert _call(["result", run_id, "--json"]) == code
        assert playbill.RunResult.from_dict(json.loads(capsys.readouterr().out)).run_id == run_id


def test_events_are_a_line_each_and_json_is_what_files_of_events_have(capsys: Out) -> None:
    assert _call(["events", "works-1", "--json"]) == 0
    events = [event_from_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "pipeline_run.completed"
    assert _call(["events", "works-1", "--from", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(events) - 2
    assert lines[0].split()[0] == "3"
    assert _call(["events", "fails-1"]) == 0
    assert "node.failed  work#1  NodeConfigError: no such order" in capsys.readouterr().out


def test_following_ends_with_the_run_or_says_that_nobody_goes_on_with_it(capsys: Out) -> None:
    assert _call(["events", "works-1", "--follow"]) == 0
    assert capsys.readouterr().err == ""
    assert _call(["events", "left-1", "--follow"]) == 75
    assert "`playbill recover left-1`" in capsys.readouterr().err
    assert _call(["logs", "aside-1", "--follow"]) == 75
    assert "is set aside: " in capsys.readouterr().err


def test_logs_are_shown_with_their_level_and_move_no_cursor(capsys: Out) -> None:
    for arguments in ([], ["work"], ["work", "--attempt", "1"]):
        assert _call(["logs", "works-1", *arguments]) == 0
        first, second = capsys.readouterr().out.splitlines()
        assert first.endswith(" work#1 a       b")
        assert second.endswith(r" work#1 warning: nearly \x1b[31mdone")
    assert _call(["logs", "works-1", "start"]) == 0
    assert _call(["logs", "works-1", "--attempt", "2"]) == 0
    assert capsys.readouterr().out == ""
    assert _call(["logs", "works-1", "--json"]) == 0
    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == ["info", "warning"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nobody-7"], "there is no run 'nobody-7' in "),
        (["show", "abc"], "at least 4 characters"),
        (["events", "works-1", "--from", "0"], "--from is 0, and events count from 1"),
        (["logs", "works-1", "wor"], "has no node 'wor', did you mean 'work'?"),
        (["logs", "works-1", "zzz"], "has no node 'zzz'; its nodes are: 'start', 'work'"),
        (["runs", "--status", "set-aside"], 'Invalid value "set-aside" for --status'),
        (["runs", "--since", "yesterday"], "'yesterday' is not a moment: write how long ago"),
        (["runs", "--limit", "0"], "--limit is 0, and takes 1 to 1000"),
        (["runs", "--attribute", "city"], "--attribute takes NAME=VALUE, not 'city'"),
        (["runs", "--journal", "no.db"], "there is no journal "),
        (["recover"], "say which: the ID of a run, or --all"),
        (["recover", "left-1", "--all"], "say which: the ID of a run, or --all"),
        (["recover", "works-1"], "run 'works-1' has ended (completed): `playbill result works-1` tells how"),
        (["prune", "--older-than", "soon"], "'soon' is not a duration"),
        (["prune", "--older-than", "nan"], "--older-than is nan, and takes a number of seconds"),
        (["prune", "--older-than=-1"], "--older-than is -1, and takes a number of seconds"),
        (["prune", "--older-than", "1d", "--status", "running"], 'for --status. Choose from: "completed", "failed"'),
        (["journal", "copy", "x.db"], "there are several journals, say which by --journal: "),
        (
            ["journal", "copy", "/dev/null/x", "--journal", ".playbill/runs.db"],
            "cannot be copied to: Not a directory",
        ),
    ],
)
def test_wrong_usage_names_thing_and_way_out(capsys: Out, arguments: list[str], said: str) -> None:
    assert _call(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["runs", "show abcd", "recover --all", "prune --older-than 1d"])
def test_a_folder_without_journals_is_an_error_that_says_where_they_would_be(
    capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _call(command.split()) == 2
    assert f"no runs are kept in {tmp_path / '.playbill'}: " in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 140])
def test_lists_fit_the_terminal(capsys: Out, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert _call(["runs"]) == 0
    assert _call(["events", "fails-1"]) == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert len(lines) > 12
    assert max(map(len, lines)) <= width


async def _one_run(path: Path) -> None:
    async with playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[]) as manager:
        await (await manager.start_run({"nodes": [{"id": "a", "type": "trigger"}]})).result()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text("hello", encoding="utf-8"), "is not a SQLite file: name another file"),
        (lambda path: change(path, "PRAGMA application_id = 7"), "is a SQLite file of another program"),
        (lambda path: change(path, "PRAGMA user_version = 99"), "a newer playbill wrote it; use that one"),
        (lambda path: path.write_bytes(path.read_bytes()[:40_000]), "is truncated: it has 40000 bytes of "),
        (lambda path: (path.unlink(), path.mkdir()), "it is a folder: name a file in it"),
    ],
)
@pytest.mark.parametrize(
    "command", ["runs", "show abcd", "recover --all", "prune --older-than 1d", "journal copy x.db"]
)
def test_what_is_no_journal_is_refused_by_each_command(
    capsys: Out, tmp_path: Path, command: str, damage: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "runs.db"
    asyncio.run(_one_run(path))
    damage(path)
    assert _call([*command.split(), "--journal", str(path)]) == 2
    assert said in capsys.readouterr().err
    assert not Path("x").exists()


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_the_statuses_that_commands_take_are_those_of_runs() -> None:
    assert [*ListedStatus] == [*RunStatus, "interrupted", "later"]
    assert [str(each) for each in EndedStatus] == [str(each) for each in ENDED]
