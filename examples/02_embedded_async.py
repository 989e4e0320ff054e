"""Embedded in an asyncio program: start a run, follow its events, use its result."""

import asyncio

import playbill


@playbill.node_type("greet")
async def greet(
    node: playbill.PipelineNode, inputs: dict[str, dict[str, str]], context: playbill.NodeContext
) -> dict[str, str]:
    await context.sleep(0.05)
    return {"text": f"{node.config['word']}, {context.trigger_data['city']}"}


DEFINITION = playbill.PipelineDefinition.model_validate(
    {
        "name": "greetings",
        "nodes": [
            {"id": "start", "type": "trigger", "next": ["hello", "goodbye"]},
            {"id": "hello", "type": "greet", "config": {"word": "Bonjour"}},
            {"id": "goodbye", "type": "greet", "config": {"word": "Au revoir"}},
        ],
        "outputs": {"both": "inputs.hello.text + ' / ' + inputs.goodbye.text"},
    }
)


async def main() -> None:
    async with playbill.PipelineRunManager() as manager:
        run = await manager.start_run(DEFINITION, {"city": "Lyon"}, timeout_seconds=10)
        async for event in run.events():
            print(event.seq, event.type, event.node_id or "")
        result = (await run.result()).raise_for_status()
        print(result.outputs["both"])


asyncio.run(main())
