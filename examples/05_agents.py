"""Agents from a registry of the host: asynchronous ones run on the loop, others in threads of their own."""

import playbill


class Researcher:
    async def process_message(self, prompt: str) -> str:
        return f"three facts about {prompt.splitlines()[0].removeprefix('Find out about ')}"


class Writer:
    def process_message(self, prompt: str) -> str:
        facts = prompt.partition("Inputs:")[2].strip()
        return f"a story of {len(facts)} characters of input"


DEFINITION = {
    "name": "newsroom",
    "nodes": [
        {"id": "start", "type": "trigger", "next": "research"},
        {
            "id": "research",
            "type": "agent",
            "config": {"agent_id": "researcher", "task": "Find out about ${trigger.topic}"},
            "next": "write",
        },
        {"id": "write", "type": "agent", "config": {"agent_id": "writer", "task": "Write it up."}},
    ],
}

agents = {"researcher": Researcher(), "writer": Writer()}
result = playbill.run(DEFINITION, {"topic": "otters"}, resources={"agents": agents})
for node in ("research", "write"):
    print(node, result.outputs[node])

# On request nobody is asked, and the output says so: pipelines can be tried before the agents are there.
tried = playbill.run(DEFINITION, {"topic": "otters"}, simulate_agents=True)
print("simulated:", tried.outputs["write"]["simulated"])
