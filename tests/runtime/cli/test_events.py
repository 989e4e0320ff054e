"""`playbill run --events FILE`: what happened to a run, as lines that can be read again, as it happens."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from playbill.model.events import Event
from playbill.model.facts import RunStatus
from playbill.model.runstate import RunState
from playbill.runtime.journals.codec import event_from_json
from playbill.runtime.journals.event_file import read_events
from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
FINE = "name: fine\nnodes: [{id: a, type: trigger, next: b}, {id: b, type: delay, config: {seconds: 0.001}}]\n"
LONG = "name: long\nnodes: [{id: a, type: delay, config: {seconds: 3600}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"fine": FINE, "long": LONG}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def command(file: Path, events: object, *more: str) -> list[str]:
    return [sys.executable, "-m", "playbill.runtime.cli", "run", str(file), "--events", str(events), *more]


def fold(events: list[Event]) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def test_the_file_has_all_events_of_the_run(folder: Path) -> None:
    path = folder / "run.jsonl"
    ran = subprocess.run(
        command(folder / "fine.yaml", path, "--json", "--input", "n=[1]"),
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    events = list(read_events(path))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    result, state = json.loads(ran.stdout), fold(events)
    assert {event.stream for event in events} == {result["run_id"]}
    assert state.status is RunStatus.COMPLETED
    assert state.trigger_data == {"n": [1]}
    assert {name: end.as_dict() for name, end in state.nodes.items()} == result["node_results"]


def test_each_event_is_in_the_file_as_it_happens(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    with programs.Popen(
        command(folder / "long.yaml", pipe, "--timeout", "20"), stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        with pipe.open(encoding="utf-8") as lines:
            seen: list[Event] = []
            while not seen or seen[-1].node_id is None:
                seen.append(event_from_json(lines.readline()))
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            seen += [event_from_json(line) for line in lines]
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert fold(seen).status is RunStatus.CANCELLED


@pytest.mark.parametrize("place", ["{folder}", "/dev/full"])
def test_a_file_that_cannot_be_written_ends_it_with_2_and_no_traceback(folder: Path, place: str) -> None:
    path = place.format(folder=folder)
    ran = programs.run(command(folder / "long.yaml", path), capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert ran.returncode == 2
    assert f"--events {path}: cannot be written: " in ran.stderr
    assert "Traceback" not in ran.stderr
