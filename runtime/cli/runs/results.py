"""What a run has given, as `playbill run` and `playbill result` print it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from playbill.model.facts import NodeStatus

if TYPE_CHECKING:
    from typing import TextIO

    from playbill.model.definition import PipelineDefinition
    from playbill.model.results import RunResult

__all__ = ["print_result"]


def print_result(definition: PipelineDefinition, result: RunResult, output: TextIO, *, as_json: bool) -> None:
    """Print the outputs: the definition's, or else those of the nodes that lead nowhere; or the whole result."""
    if as_json:
        shown: Any = result.as_dict()
    elif definition.outputs:
        shown = result.outputs
    else:
        inner = {edge.from_node for edge in definition.edges}
        ends = {node: end for node, end in result.node_results.items() if node not in inner}
        shown = {node: end.output for node, end in ends.items() if end.status is NodeStatus.COMPLETED}
    if shown:
        escapes = not output.encoding.lower().startswith("utf")
        output.write(f"{json.dumps(shown, indent=2, ensure_ascii=escapes)}\n")
        output.flush()
