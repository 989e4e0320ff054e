"""When what is collected is handed over: pushed at the end of a turn, else with company, or a little later."""

import asyncio

import pytest

from playbill.model.errors import JournalError
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.journals.sqlite import batches as batches_module
from playbill.runtime.journals.sqlite.batches import Batches
from playbill.runtime.journals.sqlite.group import Group, KeptGroup, Rows
from playbill.runtime.journals.sqlite.stream import SqliteStream
from tests.contracts.journal_support import Heard, event, row, settle

pytestmark = pytest.mark.anyio


class Told:
    """A stream that notes what it hears."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refused: JournalError | None = None
        self.heard: list[object] = []

    def keep(self, seq: int) -> None:
        self.heard.append(seq)

    def fail(self, error: str) -> None:
        self.heard.append(error)

    def fence(self, error: JournalError) -> None:
        self.heard.append(error)


class HandSink:
    """Takes groups, and keeps them when it is told to."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.sent: list[Group] = []

    def send(self, group: Group) -> None:
        self.sent.append(group)
        self.groups.append([each.seq for _, each in group.events])


def outcome_of(group: Group) -> KeptGroup:
    outcome = KeptGroup()
    outcome.kept = [(stream, each.seq) for stream, each in group.events]
    outcome.begun = [(begin.kept, None) for begin in group.begins]
    return outcome


@pytest.fixture
def sink() -> HandSink:
    return HandSink()


@pytest.fixture
async def batches(sink: HandSink, monkeypatch: pytest.MonkeyPatch) -> Batches:
    monkeypatch.setattr(batches_module, "LINGER_SECONDS", 3600)
    return Batches(asyncio.get_running_loop(), sink)


async def test_a_push_hands_over_at_the_end_of_the_turn_what_was_collected(batches: Batches, sink: HandSink) -> None:
    stream = Told("r")
    batches.add(stream, event(1))
    batches.push()
    batches.add(stream, event(2))
    assert sink.groups == []
    await settle()
    assert sink.groups == [[1, 2]]


async def test_without_a_push_nothing_is_handed_over(batches: Batches, sink: HandSink) -> None:
    batches.add(Told("r"), event(1))
    await settle()
    assert sink.groups == []


async def test_what_nobody_waits_for_goes_when_its_time_is_over(
    batches: Batches, sink: HandSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "LINGER_SECONDS", 0)
    batches.add(Told("r"), event(1))
    await settle()
    assert sink.groups == [[1]]


async def test_what_comes_while_the_thread_is_at_work_is_the_next_group(batches: Batches, sink: HandSink) -> None:
    stream = Told("r")
    order: list[object] = []
    batches.add(stream, event(1))
    batches.push()
    await settle()
    for seq in (2, 3):
        batches.add(stream, event(seq))
        batches.push()
    await settle()
    assert sink.groups == [[1]]
    stream.keep = lambda seq: order.append([seq, *sink.groups[1:]])  # type: ignore[method-assign]
    batches.kept(outcome_of(sink.sent[0]))
    assert order == [[1, [2, 3]]]  # the disk goes on before anybody hears


async def test_what_nobody_waits_for_lingers_also_behind_a_group(batches: Batches, sink: HandSink) -> None:
    stream = Told("r")
    batches.add(stream, event(1))
    batches.push()
    await settle()
    batches.add(stream, event(2))
    batches.kept(outcome_of(sink.sent[0]))
    await settle()
    assert sink.groups == [[1]]
    batches.push()
    await settle()
    assert sink.groups == [[1], [2]]


async def test_a_run_begins_with_its_first_event_and_not_before(batches: Batches, sink: HandSink) -> None:
    kept = batches.begin(row("r"), None, is_open=False)
    batches.add(Told("other"), event(1, stream="other"))
    batches.push()
    await settle()
    assert [len(group.begins) for group in sink.sent] == [0]
    batches.kept(outcome_of(sink.sent[0]))
    batches.add(Told("r"), event(1))
    await settle()
    assert [len(group.begins) for group in sink.sent] == [0, 1]
    batches.kept(outcome_of(sink.sent[1]))
    assert kept.done()
    assert batches.is_empty


async def test_all_who_wait_hear_of_a_failure(batches: Batches, sink: HandSink) -> None:
    with_thread, collected = Told("a"), Told("b")
    batches.add(with_thread, event(1, stream="a"))
    batches.push()
    await settle()
    batches.add(collected, event(1, stream="b"))
    batches.failed("no space")
    assert (with_thread.heard, collected.heard) == (["no space"], ["no space"])
    batches.kept(outcome_of(sink.sent[0]))
    assert with_thread.heard == ["no space", 1]


async def test_a_stream_shows_what_is_kept_and_nothing_that_is_only_appended(
    batches: Batches, sink: HandSink
) -> None:
    stream = SqliteStream(MemoryJournal(), "r", heard := Heard(), batches)
    stream.append(event(1))
    stream.push()
    await settle()
    stream.append(event(2))
    batches.kept(outcome_of(sink.sent[0]))
    assert ([each.seq for each in stream.events], heard.seqs, stream.waits) == ([1], [1], True)


async def test_a_run_of_which_no_event_comes_does_not_begin(batches: Batches, sink: HandSink) -> None:
    kept = batches.begin(row("r"), None, is_open=False)
    assert isinstance(batches.begin(row("r"), None, is_open=False).exception(), RunIdTaken)
    batches.drop_begin("r")
    assert kept.cancelled()
    assert batches.is_empty


async def test_nothing_is_handed_over_after_the_end(batches: Batches, sink: HandSink) -> None:
    batches.close()
    batches.add(Told("r"), event(1))
    batches.push()
    await settle()
    assert sink.groups == []


async def test_a_fault_of_one_keeper_keeps_no_other_from_hearing(
    batches: Batches, sink: HandSink, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(seq: int) -> None:
        raise RuntimeError("broken")

    one, two = Told("one"), Told("two")
    one.keep = fault  # type: ignore[method-assign]
    batches.add(one, event(1, stream="one"))
    batches.add(two, event(1, stream="two"))
    batches.push()
    await settle()
    batches.kept(outcome_of(sink.sent[0]))
    assert two.heard == [1]
    assert caplog.messages == ["the keeper of 'one' failed"]


async def test_what_is_waited_for_in_vain_is_known(batches: Batches, sink: HandSink) -> None:
    begun, written = batches.begin(row("r"), None, is_open=False), asyncio.get_running_loop().create_future()
    batches.add_rows(Rows(lambda connection: None, written))
    await settle()
    assert batches.futures() == [begun, written]
    batches.close()


async def test_a_push_with_nothing_collected_does_nothing(batches: Batches, sink: HandSink) -> None:
    batches.push()
    await settle()
    batches.add(Told("r"), event(1))
    await settle()
    assert sink.groups == []
