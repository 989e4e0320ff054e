"""A run that has ended, as its journal has it: no actor, no handlers, and its result without evaluating anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.facts import NodeStatus
from playbill.model.graph import topological_order
from playbill.model.results import NodeExecutionResult, RunResult
from playbill.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.definition import PipelineDefinition
    from playbill.model.facts import RunStatus
    from playbill.model.runstate import RunState
    from playbill.runtime.journals.memory import MemoryStream
    from playbill.runtime.run import Whereabouts

__all__ = ["StoredRun", "result_of"]


class StoredRun(Run):
    """A run that has ended before anybody of this process knew it.

    Args:
        definition: as it was stored.
        run_id: its id.
        state: the fold of its events.
        stream: its events.
        home: where it was opened.
    """

    def __init__(
        self, definition: PipelineDefinition, run_id: str, state: RunState, stream: MemoryStream, home: Whereabouts
    ) -> None:
        self._run_id = run_id
        self._state = state
        self._keep(definition, state.trigger_data, stream, home)
        self.conclude(result_of(definition, run_id, state))

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def began_in_vain(self) -> bool:
        """Whether its actor failed over its start, so that nobody knows what it was started with."""
        return self._state.started_at is None

    @property
    def trace_context(self) -> Mapping[str, str] | None:
        """The W3C trace context that it was started with; None: with none."""
        return self._stream.events[0].data.get("trace")

    @property
    def status(self) -> RunStatus:
        """How the run has ended."""
        return self._state.status

    @property
    def node_results(self) -> dict[str, NodeExecutionResult]:
        """How the nodes that were reached have ended, by id."""
        return dict(self._state.nodes)

    def request_cancel(self, reason: str = "", grace: float | None = None) -> None:
        """Do nothing: it has ended."""

    async def _ask(self, message: object) -> Any:
        return False


def result_of(definition: PipelineDefinition, run_id: str, state: RunState) -> RunResult:
    """Return the result of a run that has ended, as its supervisor gave it."""
    nodes = state.nodes
    order = topological_order(
        [node.id for node in definition.nodes], [(edge.from_node, edge.to_node) for edge in definition.edges]
    )
    return RunResult(
        run_id=run_id,
        status=state.status,
        outputs=_outputs(definition, state),
        node_results={node: nodes.get(node) or NodeExecutionResult(node) for node in order},
        cause=state.cause,
        orphans=tuple(dict.fromkeys(state.orphans)),
        started_at=state.started_at,
        ended_at=state.ended_at,
    )


def _outputs(definition: PipelineDefinition, state: RunState) -> Mapping[str, Any]:
    """Return what the run has told; without `outputs` in its definition what its nodes gave."""
    if definition.outputs:
        return state.outputs or {}
    return {
        node: result.output or {} for node, result in state.nodes.items() if result.status is NodeStatus.COMPLETED
    }
