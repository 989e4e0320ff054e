"""Embedded in a program without an event loop: one run to its end, or a manager that many threads share."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import playbill


@playbill.node_type("digest")
def digest(
    node: playbill.PipelineNode, inputs: dict[str, dict[str, str]], context: playbill.NodeContext
) -> dict[str, str]:
    """A plain function runs in a thread of playbill's own."""
    text = str(context.trigger_data["text"])
    return {"digest": hashlib.new(node.config["algorithm"], text.encode()).hexdigest()[:12]}


DEFINITION = playbill.PipelineDefinition.model_validate(
    {
        "name": "digests",
        "nodes": [
            {"id": "sha256", "type": "digest", "config": {"algorithm": "sha256"}},
            {"id": "blake2b", "type": "digest", "config": {"algorithm": "blake2b"}},
        ],
    }
)

# A program that runs one pipeline and ends.
print("one run:", playbill.run(DEFINITION, {"text": "playbill"}).raise_for_status().outputs)

# A program whose threads start runs when they like.
with playbill.BlockingManager() as manager, ThreadPoolExecutor() as threads:

    def digests_of(text: str) -> str:
        return f"{text}: {manager.start_run(DEFINITION, {'text': text}).result().outputs['sha256']['digest']}"

    for line in threads.map(digests_of, ["a", "b", "c"]):
        print(line)
    last = manager.start_run(DEFINITION, {"text": "d"}, run_id="last")
    for event in last.events():
        print(event.run_id, event.type)

print("known when all is closed, and for the wire:", last.result().as_dict()["outputs"])
