"""Two walks through the house, step by step: what happens between two nodes, and between a cancel and a dead worker.

A step is `package.module:Class.function` and what happens there; a test says when one no longer exists.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Step:
    """One function on the way; ``place`` is `package.module:Class.function` below ``playbill``."""

    place: str
    says: str

    @property
    def file(self) -> Path:
        """Its file, below the root of the tree."""
        return Path(*self.place.partition(":")[0].split(".")).with_suffix(".py")

    @property
    def function(self) -> str:
        return self.place.partition(":")[2]

    def find(self) -> Any:
        """Return the function.

        Raises:
            ImportError: there is no such module.
            AttributeError: it has no such function.
        """
        module, _, path = self.place.partition(":")
        found: Any = import_module(f"playbill.{module}")
        for name in path.split("."):
            found = getattr(found, name)
        return found


OUTPUT_TO_INPUT = (
    Step("runtime.runners.coroutine:LoopAttempt._run", "The handler's task ends; its output is checked."),
    Step(
        "runtime.runners.attempt:HandlerAttempt._end",
        "The attempt answers once: `Returned`, with its number and when it ended, to the node's mailbox.",
    ),
    Step("runtime.dispatchers.loop:LoopDispatcher.post", "The mail waits its turn, after what was sent before it."),
    Step("runtime.dispatchers.loop:LoopDispatcher._pump", "Its turn: the node's shell gets it, and what time it is."),
    Step("actors.shell:Shell.receive", "The shell looks up the machine's row for `Returned` and calls its action."),
    Step(
        "model.machines.node:NodeMachine.returned",
        "One of an older attempt is a dead letter; else the permit is settled, the node is done.",
    ),
    Step("model.machines.node_base:NodeBase._end", "The node asks to tell its supervisor `Ended`, and to finish."),
    Step("actors.node:NodeActor.finish", "The actor lets go of its attempt, and ends."),
    Step("model.machines.supervisor:SupervisorMachine.ended", "The supervisor's machine hears of it."),
    Step(
        "model.machines.supervisor_routing:SupervisorRouting._note_end",
        "Which edges are live is judged; `pipeline_node.completed` is numbered, stamped and recorded.",
    ),
    Step("actors.supervisor:SupervisorActor.forget", "The shell lets go of the node's actor, which is freed."),
    Step("actors.recording:RecordingShell.record", "The event goes to the journal, which may close the gate."),
    Step("runtime.journals.memory:MemoryStream.append", "The journal keeps it: at once, since this one is memory."),
    Step(
        "model.machines.supervisor_routing:SupervisorRouting._follow",
        "Each target is told `Input` or `Skip`, or spawned first.",
    ),
    Step("actors.supervisor:SupervisorActor._tell", "What begins work passes the gate; all else goes at once."),
    Step("actors.gate:Gate.hold", "While the gate is closed the mail waits with the number of the last record."),
    Step("actors.recording:RecordingShell.kept", "The journal has kept it: what waited goes, in order."),
    Step("model.machines.node_joining:NodeJoining.join", "The child counts its inputs; with the last one it starts."),
)
"""From a handler's output to its child's input."""

CANCEL_TO_KILL = (
    Step("runtime.run:Run.cancel", "Somebody cancels; the grace is checked, and the answer awaited."),
    Step("runtime.run:Run._ask", "`Cancel` goes to the supervisor by pykka's reference, so from any thread."),
    Step("actors.reference:Inbox.put", "The envelope takes the control lane: it overtakes data."),
    Step(
        "actors.shell:Shell.open",
        "The shell opens it, and answers once the journal has what that caused.",
    ),
    Step(
        "model.machines.supervisor_stopping:SupervisorStopping.cancel",
        "The first cancel decides why the run ends; it is recorded.",
    ),
    Step("model.machines.supervisor_base:SupervisorBase._stop", "Nothing more begins; the time that is left is set."),
    Step("model.machines.supervisor_base:SupervisorBase._tell_stop", "Each live node is told `Stop`, past the gate."),
    Step("model.machines.node_stopping:NodeStopping.stop_running", "A running attempt is sent down the ladder."),
    Step("model.machines.node_stopping:NodeStopping._descend", "First step: interrupt, and a timer for the grace."),
    Step("actors.node:NodeActor.interrupt", "The shell hands it to the attempt that it holds."),
    Step("runtime.runners.workers.attempt:ProcessAttempt.interrupt", "One that has no worker yet never gets one."),
    Step(
        "runtime.runners.workers.worker_client:WorkerClient.interrupt",
        "SIGTERM to the worker: the handler may clean up.",
    ),
    Step("model.machines.node_stopping:NodeStopping.grace_over", "`GraceOver`: it did not end by itself."),
    Step("model.machines.node_stopping:NodeStopping._kill", "Last step: kill, and a timer for giving it up."),
    Step("actors.node:NodeActor.kill", "The shell hands it on."),
    Step("runtime.runners.workers.attempt:ProcessAttempt.kill", "The attempt remembers that it was killed."),
    Step("runtime.runners.workers.worker_client:WorkerClient.kill", "A result that is there already still counts."),
    Step("runtime.processes.leader:Leader.signal", "SIGKILL to the whole group, by its leader's id."),
    Step(
        "runtime.processes.spawner:Spawner._look", "The spawner, its parent, sees the leader exit and kills strays."
    ),
    Step("runtime.processes.linux:reaped", "It is reaped only now, so that its id was nobody else's before."),
    Step("runtime.processes.spawner_client:SpawnerClient._hear", "The host hears what the spawner tells."),
    Step("runtime.processes.leader:Leader.end", "Nothing of the group is left: whoever follows it hears of it."),
    Step("runtime.runners.workers.attempt:ProcessAttempt.lose", "The attempt ends without output: `Returned`."),
    Step("model.machines.node:NodeMachine.stopped", "What had ended before the stop would still count."),
    Step("model.machines.ladder:Ladder.receipt", "The receipt says how it was stopped, and how long that took."),
    Step(
        "model.machines.supervisor:SupervisorMachine.ended_stopping",
        "The node's end is recorded with its receipt; the last one ends the run.",
    ),
)
"""From a cancel to the kill of a worker, and its receipt."""

WALKS = {
    "From a handler's output to its child's input": OUTPUT_TO_INPUT,
    "From a cancel to the kill of a worker": CANCEL_TO_KILL,
}


def lost(steps: tuple[Step, ...]) -> list[str]:
    """The steps whose function is not there, or is defined in another file."""
    bad = []
    for step in steps:
        try:
            found = step.find()
        except (ImportError, AttributeError) as error:
            bad.append(f"{step.place}: {error}")
            continue
        if found.__module__ != f"playbill.{step.place.partition(':')[0]}":
            bad.append(f"{step.place}: defined in {found.__module__}")
    return bad
