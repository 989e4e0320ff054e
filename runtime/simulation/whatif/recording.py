"""A recording: the events of a run, read from the file that `playbill run --events` has written."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError
from playbill.model.events import EventType
from playbill.runtime.journals.event_file import read_events
from playbill.runtime.simulation.whatif.timeline import timeline_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from playbill.model.events import Event
    from playbill.runtime.simulation.whatif.timeline import Timeline


def load_recording(path: str | os.PathLike[str]) -> Timeline:
    """Read the events of a run, as `playbill run --events` writes them.

    Raises:
        DefinitionError: it cannot be read, a line is not an event, or they are not those of one whole run.
    """
    return timeline_of(_of_one_run(read_events(path), str(path)))


def _of_one_run(events: Iterable[Event], where: str) -> list[Event]:
    mine = [event for event in events if event.run_id is not None]
    runs = sorted({event.stream for event in mine})
    if len(runs) != 1 or mine[0].type is not EventType.PIPELINE_RUN_STARTED:
        said = (
            "holds no events" if not runs else f"holds those of {len(runs)} runs" if len(runs) > 1 else "begins later"
        )
        text = (
            f"{where} {said}: a recording is what `playbill run FILE --events {Path(where).name}` writes of one run"
        )
        raise DefinitionError.single("bad-recording", where, text)
    for before, after in pairwise(mine):
        if after.seq != before.seq + 1:
            text = f"{where} has event {after.seq} after {before.seq}: some are missing, and it cannot be replayed"
            raise DefinitionError.single("bad-recording", where, text)
    return mine
