"""The same pipeline and handlers in virtual time: a month at once, faults, a property of our own over many seeds."""

import playbill

STARTED, COMPLETED = playbill.EventType.PIPELINE_NODE_STARTED, playbill.EventType.PIPELINE_RUN_COMPLETED


@playbill.node_type("remind")
async def remind(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, int]:
    await context.sleep(30)
    return {"sent": context.attempt}


DEFINITION = playbill.PipelineDefinition.model_validate(
    {
        "name": "reminder",
        "timeout": 40 * 86_400,
        "nodes": [
            {"id": "order", "type": "trigger", "next": "wait"},
            {"id": "wait", "type": "delay", "config": {"seconds": 30 * 86_400}, "next": "mail"},
            {"id": "mail", "type": "remind", "timeout": 60},
        ],
    }
)

with playbill.Simulation(faults={"faults": [{"fault": "raise", "attempts": [1]}]}) as sim:
    run = sim.start(DEFINITION)
    sim.advance(29 * 86_400)
    print("after 29 days:", run.status)
    result = sim.result(run)
    print(f"it ended on {sim.now:%d %B} with", result.outputs["mail"])

soon = playbill.LeadsTo(
    "mailed soon",
    lambda event: event.node_id == "mail" and event.type is STARTED,
    lambda event: event.type is COMPLETED,
    within=60,
)
faults = playbill.FaultPlan.model_validate({"faults": [{"fault": "hang", "probability": 0.1}]})
study = playbill.Study(DEFINITION, faults=faults, properties=[soon])
seen = playbill.explore(study, 200)
print(f"seed {seen.findings[0].seed} breaks it:", seen.findings[0])
