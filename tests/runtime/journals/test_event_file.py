"""Files of events: written at once, read line by line, a torn end is told and forgiven, all else refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import Event, EventType
from playbill.model.loading import MAX_BYTES
from playbill.runtime.journals.codec import event_to_json
from playbill.runtime.journals.event_file import EventFile, read_events

PAUSED = Event(EventType.PIPELINE_RUN_PAUSED, "r", 1, datetime(2026, 1, 2, tzinfo=UTC), None, None, {})
STARTED = Event(
    EventType.PIPELINE_RUN_STARTED,
    "r",
    2,
    datetime(2026, 1, 3, tzinfo=UTC),
    None,
    None,
    {"pipeline": "p\u2028", "version": "1", "trigger_data": {}},
)
LINE = event_to_json(PAUSED)


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_file_has_each_event_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", "what was here before\n")
    events = [PAUSED, STARTED]
    with EventFile(path) as file:
        for number, event in enumerate(events, 1):
            file.write(event)
            assert list(read_events(path)) == events[:number]
    assert repr(file) == f"<EventFile {path}>"


@pytest.mark.parametrize("torn", range(1, len(LINE)))
def test_a_torn_last_line_is_left_out_and_said_wherever_it_is_torn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, torn: int
) -> None:
    path = written(tmp_path / "run.jsonl", f"{LINE}\n{LINE[:torn]}")
    assert list(read_events(path)) == [PAUSED]
    assert caplog.messages == [f"{path}:2: this last line is torn and was left out"]


@pytest.mark.parametrize("cut", [1, 2])
def test_a_line_torn_within_a_character_is_torn(tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: int) -> None:
    path = written(tmp_path / "run.jsonl", b"\xef\xbb\xbf" + '{"stream": "\u2028'.encode()[:-cut])
    assert list(read_events(path)) == []
    assert caplog.messages == [f"{path}:1: this last line is torn and was left out"]


@pytest.mark.parametrize("text", [f"{LINE}\n{LINE}", f"{LINE}\r\n{LINE}\r\n", f"\ufeff{LINE}\n{LINE}\n"])
def test_a_whole_last_line_needs_no_end(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    assert list(read_events(written(tmp_path / "run.jsonl", text))) == [PAUSED, PAUSED]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{LINE}\n{LINE[:20]}\n", ":2: this is not an event: "),
        (f"{LINE}\n{LINE[:20]}\n{LINE}", ":2: this is not an event: "),
        (f"{LINE}\n\n{LINE}\n", ":2: this is not an event: "),
        ("name: fine", ":1: this is not an event: "),
        (LINE.encode() + b"\n\xff\xff", ":2: this is not UTF-8: "),
        (LINE.encode() + b'\n{"stream": "\xe9"}', ":2: this is not UTF-8: "),
        ('{"name": "1"}', ":1: this is not an event: unknown name"),
        (f'{LINE}\n{LINE[:-1]}, "more": 1}}', ":2: this is not an event: unknown more"),
        ('{"a": ' + "[" * 100_000, ":1: this is not an event: maximum recursion depth"),
    ],
)
def test_every_other_line_that_is_not_an_event_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    path = written(tmp_path / "run.jsonl", text)
    with pytest.raises(DefinitionError) as caught:
        list(read_events(path))
    assert str(caught.value).startswith(f"{path}{said}")
    assert caught.value.problems[0].where == f"{path}:{said[1]}"


def test_a_file_is_read_whatever_its_size(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    number = MAX_BYTES // len(LINE) + 1
    written(path, f"{LINE}\n" * number)
    assert path.stat().st_size > MAX_BYTES
    events = read_events(path)
    assert next(events) == PAUSED
    assert sum(1 for _ in events) == number - 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"none.jsonl: cannot be read: No such file"):
        list(read_events(tmp_path / "none.jsonl"))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=f"{tmp_path}: cannot be written: Is a directory"):
        EventFile(tmp_path)


def test_a_full_disk_is_told() -> None:
    said = "/dev/full: cannot be written: No space left"
    with pytest.raises(JournalError, match=said), EventFile("/dev/full") as file:
        file.write(PAUSED)
