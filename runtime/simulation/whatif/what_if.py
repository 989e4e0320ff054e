"""What if: the question, its answer, and whether it can be asked of this recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError, Problem
from playbill.model.facts import RunStatus
from playbill.runtime.simulation.whatif.assumptions import assumptions_of
from playbill.runtime.simulation.whatif.changes import Change
from playbill.runtime.simulation.whatif.replay import Replay
from playbill.runtime.simulation.whatif.takes import Script
from playbill.runtime.simulation.whatif.timeline import timeline_of

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.simulation.whatif.assumptions import Assumption
    from playbill.runtime.simulation.whatif.timeline import Timeline

NO_CHANGE: Final = Change()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A recorded run, and how it would have gone."""

    definition: PipelineDefinition
    before: Timeline
    after: Timeline
    assumptions: list[Assumption]
    """What the replay had to assume; empty: all of it was recorded."""


def what_if(definition: PipelineDefinition, recording: Timeline, change: Change = NO_CHANGE) -> WhatIf:
    """Replay a run under other policies; no handler runs.

    Args:
        definition: the pipeline it was recorded with.
        recording: what happened.
        change: the other policies; none: it goes as it went.

    Raises:
        DefinitionError: the recording is another pipeline's, or the change does not fit it; carries all problems.
    """
    check_recording(definition, recording)
    changed = change.applied(definition)
    script = Script(recording, definition, succeeds=change.beyond == "succeed-like-recorded")
    after = timeline_of(Replay(changed, recording, script, change.behaviours, _timeout(recording, change)).events())
    return WhatIf(changed, recording, after, assumptions_of(changed, recording, after, change))


def check_recording(definition: PipelineDefinition, recording: Timeline) -> None:
    """Find out whether a recording is of this pipeline.

    Raises:
        DefinitionError: it is another's; carries all problems.
    """
    problems: list[Problem] = []
    if recording.pipeline != definition.name:
        text = f"it was recorded with pipeline '{recording.pipeline}', not with '{definition.name}'"
        problems.append(Problem("other-recording", "events", text))
    mine = {node.id for node in definition.nodes}
    told = [f"its node '{node}' is not in the pipeline" for node in sorted(recording.nodes.keys() - mine)]
    if recording.status is RunStatus.COMPLETED:
        unseen = sorted(mine - recording.nodes.keys())
        told += [f"node '{node}' is not in it although the run completed" for node in unseen]
    problems += [Problem("other-recording", "events", text) for text in told]
    if problems:
        way_out = "the recording is another pipeline's: replay it with the file it was made with"
        raise DefinitionError(definition.name, [Problem("other-recording", "events", way_out), *problems])


def _timeout(recording: Timeline, change: Change) -> float | None:
    """Return the timeout that the run was started with; None: the change's, or nobody knows and its definition's."""
    if change.timeout is not None:
        return None
    if recording.timeout is None and recording.status is RunStatus.TIMEOUT and recording.cause is not None:
        return recording.cause.seconds
    return recording.timeout
