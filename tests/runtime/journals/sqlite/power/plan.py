"""What the journals of these tests are given: each event and definition always the same, by name and seq."""

from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Any

from playbill.model.events import LOOP, Event, EventType, is_own
from playbill.runtime.journals.index import RunRow
from tests.contracts.journal_support import AT, ENDED_DATA, event, row

OWN = ("breaker:shop", LOOP)
SIZES = (10, 10, 300, 3_000, 150_000)
"""Characters of outputs; what is large stands in payloads."""
MIDDLE = (
    EventType.PIPELINE_RUN_PAUSED,
    EventType.PIPELINE_RUN_RESUMED,
    EventType.PIPELINE_NODE_COMPLETED,
    EventType.PIPELINE_NODE_COMPLETED,
)


def length(stream: str) -> int:
    """How many events a run has; those of playbill's own go on."""
    return 1_000_000 if is_own(stream) else Random(f"length of {stream}").randint(2, 12)


@lru_cache(maxsize=1000)
def made(stream: str, seq: int) -> Event:
    """The event of this seq."""
    rng = Random(f"{stream} {seq}")
    at = AT + timedelta(seconds=seq)
    if stream == LOOP:
        data: dict[str, Any] = {"run_id": None, "seconds": 1.0, "stack": "frame\n" * seq}
        return event(seq, EventType.LOOP_BLOCKED, stream, at=at, data=data)
    if is_own(stream):
        return event(seq, EventType.BREAKER_CLOSED, stream, at=at, data={"epoch": seq, "target": rng.choice("abc")})
    if seq == 1:
        return event(1, stream=stream, at=at)
    if seq == length(stream):
        return event(seq, EventType.PIPELINE_RUN_COMPLETED, stream, at=at, data=ENDED_DATA)
    kind = rng.choice(MIDDLE)
    output = {"output": {"text": rng.randbytes(rng.choice(SIZES) // 2).hex()}, "live": (seq,)}
    return event(seq, kind, stream, at=at, data=output if kind == EventType.PIPELINE_NODE_COMPLETED else {})


def kind_of(one: Event) -> tuple[EventType, Any]:
    """Of each of these pruning leaves the last one."""
    return one.type, one.data.get("target")


def definition(run: str) -> str:
    """The text of a run's definition; some are large, and some shared."""
    number = int(run[1:]) % 5
    return f'{{"name":"{number}"}}' if number else '{"name":"' + Random(run).randbytes(50_000).hex() + '"}'


def digest(run: str) -> str:
    return sha256(definition(run).encode()).hexdigest()


def begun_row(run: str) -> RunRow:
    return row(run, definition=digest(run), attributes={"run": run, "noted": 0})
