"""What every journal keeps and gives back: the index of runs, their events, their logs; two sides, one contract."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from playbill.model.errors import UnknownRun
from playbill.model.events import EventType
from playbill.model.facts import Now, RunStatus
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.listing import LogLine, RunQuery
from playbill.runtime.journals.log_quota import MAX_LOG_CHARACTERS, MAX_LOG_LINES
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.runners.attempt import Identity
from playbill.runtime.runners.logs.line_keeper import LineKeeper
from tests.contracts.journal_support import AT, COMPLETED, JOURNALS, Heard, event, put, row

pytestmark = pytest.mark.anyio


@pytest.fixture(params=JOURNALS)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryJournal]:
    made = JOURNALS[request.param](tmp_path)
    yield made
    made.close()


async def begin(journal: MemoryJournal, run_id: str, minutes: int = 0, *, end: bool = False, **more: object) -> None:
    """Begin a run, and perhaps end it: a minute later."""
    begun = journal.begin_run(row(run_id, minutes, **more))
    at = AT + timedelta(minutes=minutes)
    await put(journal, event(1, stream=run_id, at=at))
    await begun
    if end:
        await put(journal, event(2, COMPLETED, run_id, at=at + timedelta(minutes=1)))


async def ids(journal: MemoryJournal, **query: object) -> list[str]:
    return [each.run_id for each in (await journal.reading.runs(RunQuery(**query))).runs]  # type: ignore[arg-type]


async def test_a_run_that_begins_is_in_the_index_with_its_first_event(journal: MemoryJournal) -> None:
    canonical = '{"name":"p","nodes":[]}'
    digest = "d" * 64
    begun = journal.begin_run(row("r", definition=digest, version="7", origin="q", attributes={"n": 1}), canonical)
    await put(journal, event(1))
    await begun
    found = await journal.reading.run("r")
    assert found is not None
    assert (found.status, found.version, found.origin, found.last_seq) == (RunStatus.RUNNING, "7", "q", 1)
    assert (found.created_at, found.started_at, found.ended_at) == (AT, AT, None)
    assert found.attributes == {"n": 1}
    assert await journal.reading.definition(digest) == canonical
    assert await journal.reading.definition("none") is None
    assert await journal.reading.run("none") is None


async def test_an_id_that_is_taken_is_refused_and_the_caller_knows(journal: MemoryJournal) -> None:
    await begin(journal, "r")
    with pytest.raises(RunIdTaken, match="the journal has a run 'r' already: choose another id"):
        await journal.begin_run(row("r", pipeline="other"))
    found = await journal.reading.run("r")
    assert found is not None
    assert found.pipeline == "p"
    journal.begin_run(row("s"))
    with pytest.raises(RunIdTaken):
        await journal.begin_run(row("s"))  # though it has no event yet
    with pytest.raises(ValueError, match="attribute 'a' is None"):
        journal.begin_run(row("t", attributes={"a": None}))


async def test_the_row_of_a_run_changes_with_its_events(journal: MemoryJournal) -> None:
    await begin(journal, "r")
    seen: list[object] = []
    for seq, kind in enumerate((EventType.PIPELINE_RUN_PAUSED, EventType.PIPELINE_RUN_RESUMED, COMPLETED), 2):
        await put(journal, event(seq, kind, at=AT + timedelta(seconds=seq)))
        found = await journal.reading.run("r")
        assert found is not None
        seen.append((str(found.status), found.last_seq))
    assert seen == [("paused", 2), ("running", 3), ("completed", 4)]
    assert found is not None
    assert found.ended_at == AT + timedelta(seconds=4)


async def test_a_run_of_which_only_events_came_is_in_the_index_too(journal: MemoryJournal) -> None:
    await put(journal, event(1))
    found = await journal.reading.run("r")
    assert found is not None
    assert (found.pipeline, found.version, found.created_at) == ("p", "1", AT)


async def test_the_events_of_several_runs_are_given_at_one_go(journal: MemoryJournal) -> None:
    for number, run_id in enumerate(("a", "b 'ö", "c")):
        await begin(journal, run_id, number)
        await put(journal, replace(event(2, stream=run_id), node_id='n\0"é', attempt=7))
    found = await journal.reading.histories(["c", "none", "b 'ö"], 10)
    assert list(found) == ["c", "b 'ö"]
    for run_id, events in found.items():
        assert list(events) == list(await journal.reading.events(run_id))
        assert [each.seq for each in events] == [1, 2]
    assert [each.seq for each in (await journal.reading.histories(["a"], 1))["a"]] == [1]
    assert await journal.reading.histories([], 10) == {}


async def test_runs_are_listed_by_status_pipeline_time_attribute_and_text(journal: MemoryJournal) -> None:
    await begin(journal, "old-order", 1, end=True, attributes={"city": "Lyon", "n": 1})
    await begin(journal, "new-order", 2, attributes={"city": "Lyon", "n": 1.0, "vip": True})
    await begin(journal, "report", 3, pipeline="Daily_report", attributes={"city": 'Mâcon "sud"', "n": "1"})
    assert await ids(journal) == ["report", "new-order", "old-order"]
    assert await ids(journal, statuses=(RunStatus.COMPLETED,)) == ["old-order"]
    assert await ids(journal, statuses=(RunStatus.COMPLETED, *ALIVE)) == ["report", "new-order", "old-order"]
    assert await ids(journal, pipeline="p") == ["new-order", "old-order"]
    assert await ids(journal, pipeline="p", statuses=ALIVE) == ["new-order"]
    assert await ids(journal, since=AT + timedelta(minutes=2)) == ["report", "new-order"]
    assert await ids(journal, until=AT + timedelta(minutes=2)) == ["old-order"]
    assert await ids(journal, attributes={"city": "Lyon"}) == ["new-order", "old-order"]
    assert await ids(journal, attributes={"city": "Lyon", "n": 1}) == ["old-order"]
    assert await ids(journal, attributes={"n": "1"}) == ["report"]
    assert await ids(journal, attributes={"vip": True}) == ["new-order"]
    assert await ids(journal, attributes={"vip": 1}) == []
    assert await ids(journal, attributes={"city": "Lyon"}, statuses=ALIVE, pipeline="p") == ["new-order"]
    assert await ids(journal, text="ORDER") == ["new-order", "old-order"]
    assert await ids(journal, text="daily_") == ["report"]
    assert await ids(journal, text='n "s') == ["report"]
    assert await ids(journal, text="l_on") == []
    assert await ids(journal, text="%") == []


async def test_pages_give_every_run_once_also_when_more_come(journal: MemoryJournal) -> None:
    for number in range(7):
        await begin(journal, f"run-{number}", number // 2)  # two begin at the same moment
    expected = [each.run_id for each in (await journal.reading.runs(RunQuery())).runs]
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        page = await journal.reading.runs(RunQuery(limit=3, cursor=cursor, statuses=ALIVE))
        pages.append([each.run_id for each in page.runs])
        cursor = page.next
        await begin(journal, f"later-{len(pages)}", 60)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [run_id for page in pages for run_id in page] == expected


@pytest.mark.parametrize("query", [RunQuery(cursor="next"), RunQuery(limit=0), RunQuery(limit=1001)])
async def test_a_cursor_or_a_limit_that_is_none_is_refused(journal: MemoryJournal, query: RunQuery) -> None:
    with pytest.raises(ValueError, match=r"is not a cursor|a page has 1 to 1000"):
        await journal.reading.runs(query)


async def test_others_change_of_a_row_what_no_event_does(journal: MemoryJournal) -> None:
    await begin(journal, "r", attributes={"a": "b"})
    await journal.change_run("r", {"wake_at": AT, "attributes": {"city": "Lyon"}})
    await journal.change_run("r", {"suspended_reason": "its node type is gone", "suspended_at": AT})
    found = await journal.reading.run("r")
    assert found is not None
    assert (found.wake_at, found.attributes) == (AT, {"a": "b", "city": "Lyon"})
    assert (found.suspended_reason, found.suspended_at) == ("its node type is gone", AT)
    await put(journal, event(2, EventType.PIPELINE_RUN_RECOVERED, data={"epoch": 1, "attempts": ()}))
    found = await journal.reading.run("r")
    assert found is not None
    assert (found.wake_at, found.suspended_reason, found.suspended_at) == (None, None, None)
    with pytest.raises(ValueError, match="status: only events change these"):
        journal.change_run("r", {"status": "completed"})
    with pytest.raises(ValueError, match=r"attribute 'a' is \[1\], and takes text"):
        journal.change_run("r", {"attributes": {"a": [1]}})
    with pytest.raises(UnknownRun):
        await journal.change_run("nobody", {"wake_at": AT})


async def test_events_are_read_back_equal_from_any_seq(journal: MemoryJournal) -> None:
    large = {"rows": ["käse \ud800 " * 10] * 1000, "n": 2**70, "x": 0.1, "nothing": None}
    output = {"output": large, "live": (0, 1), "passed_on": ("a",)}
    events = [
        event(1),
        event(2, EventType.PIPELINE_NODE_COMPLETED, data=output),
        event(3, EventType.PIPELINE_RUN_PAUSED),
    ]
    await put(journal, *events)
    assert list(await journal.reading.events("r")) == events
    assert list(await journal.reading.events("r", 2, limit=1)) == events[1:2]
    assert list(await journal.reading.events("r", 4)) == []
    assert list(await journal.reading.events("nobody")) == []


async def test_a_log_is_kept_up_to_its_quota_and_marked_where_it_was_cut(journal: MemoryJournal) -> None:
    await begin(journal, "r")
    for attempt, text, count in ((1, "a line", MAX_LOG_LINES + 5), (2, "x" * (MAX_LOG_CHARACTERS // 2 + 1), 3)):
        for _ in range(count):
            line = LogLine(node_id="a", attempt=attempt, number=0, at=AT, level="info", text=text)
            journal.log("r", line)
    journal.log("r", LogLine(node_id="b", attempt=1, number=0, at=AT, level="error", text="half \ud800"))
    await journal.change_run("r", {})  # behind the lines
    first, second = (journal.reading.logs("r", "a", attempt) for attempt in (1, 2))
    lines = await first
    assert [line.number for line in lines] == list(range(1, MAX_LOG_LINES + 1))
    assert [line.number for line in lines if line.cut] == [MAX_LOG_LINES]
    longest = await second
    assert [(len(line.text), line.cut) for line in longest] == [
        (MAX_LOG_CHARACTERS // 2 + 1, False),
        (MAX_LOG_CHARACTERS // 2 - 1, True),
    ]
    assert [line.node_id for line in await journal.reading.logs("r")][-1] == "b"
    assert await journal.reading.logs("nobody") == []


async def test_what_attempts_say_is_kept_while_their_run_goes_on(journal: MemoryJournal) -> None:
    class Clock:
        def now(self) -> Now:
            return Now(0.0, AT)

    keeper = LineKeeper(journal, Clock())
    await begin(journal, "r")
    who = Identity("r", "a", 2)
    keeper.keep("r", keeper.line(who, "info", "in time"))
    keeper.keep("nobody", keeper.line(who, "info", "of another"))
    await put(journal, event(2, COMPLETED))
    keeper.keep("r", keeper.line(who, "info", "too late"))
    await begin(journal, "s")  # behind the lines
    (line,) = await journal.reading.logs("r")
    assert line == LogLine(node_id="a", attempt=2, number=1, at=AT, level="info", text="in time")
    assert await journal.reading.logs("nobody") == []


async def test_pruning_forgets_whole_trees_that_have_ended_and_frees_their_ids(journal: MemoryJournal) -> None:
    await begin(journal, "old", 0, end=True)
    await begin(journal, "old/child", 0, end=True, parent="old")
    await begin(journal, "parent", 0, end=True)
    await begin(journal, "parent/child", 0, parent="parent")  # lives on
    await begin(journal, "young", 60, end=True)
    await begin(journal, "alive", 0)
    assert await journal.prune(AT + timedelta(minutes=30), ("failed",)) == 0
    assert await journal.prune(AT + timedelta(minutes=30)) == 2
    assert sorted(await ids(journal)) == ["alive", "parent", "parent/child", "young"]
    assert list(await journal.reading.events("old")) == []
    for name in ("old", "old/child"):
        journal.drop(name)
    await begin(journal, "old", 90)
    assert [each.seq for each in await journal.reading.events("old")] == [1]


async def test_a_child_knows_its_parent_and_the_top_of_its_tree(journal: MemoryJournal) -> None:
    await begin(journal, "top")
    await begin(journal, "top/a", parent="top")
    await begin(journal, "top/a/b", parent="top/a")
    found = [await journal.reading.run(name) for name in ("top", "top/a", "top/a/b")]
    assert [(each.parent, each.root) for each in found if each] == [(None, None), ("top", "top"), ("top/a", "top")]


async def test_nothing_is_heard_of_a_stream_that_appends_nothing(journal: MemoryJournal) -> None:
    heard = Heard()
    journal.open("quiet", heard).push()
    await put(journal, event(1))
    assert (heard.seqs, heard.errors) == ([], [])
