"""A node type of one's own: its config is a pydantic model, and a wrong one is found before the run."""

from pydantic import BaseModel, Field

import playbill


class ScaleConfig(BaseModel, extra="forbid"):
    """What a node of type `scale` says in `config`."""

    factor: float = Field(gt=0)
    digits: int = 2


@playbill.node_type("scale", config=ScaleConfig)
async def scale(
    node: playbill.PipelineNode, inputs: dict[str, dict[str, float]], context: playbill.NodeContext
) -> dict[str, float]:
    config: ScaleConfig = context.config
    total = sum(value for output in inputs.values() for value in output.values())
    return {"value": round(total * config.factor, config.digits)}


def pipeline(factor: float) -> dict[str, object]:
    return {
        "nodes": [
            {"id": "start", "type": "trigger", "next": "double"},
            {"id": "double", "type": "scale", "config": {"factor": 2}, "next": "final"},
            {"id": "final", "type": "scale", "config": {"factor": factor, "digits": 1}},
        ]
    }


print(playbill.run(pipeline(1.5), {"a": 1.0, "b": 2.25}).raise_for_status().outputs["final"])
try:
    playbill.run(pipeline(-1), {"a": 1.0})
except playbill.DefinitionError as error:
    print(error)
