"""Edges of a node that failed whose conditions cannot be judged: the run fails, and says which edge it was."""

from collections.abc import Callable

from playbill.model.facts import RunStatus
from tests.actors.support import World, pipeline, work

MakeWorld = Callable[..., World]


def test_an_edge_of_a_failed_node_that_cannot_be_judged_fails_the_run_by_its_name(world: MakeWorld) -> None:
    written = pipeline(work("a", retry={"max_attempts": 1}), work("b"), work("c"), on_failure="finish")
    written["edges"] = [{"from": "a", "to": "b", "when": "failure", "condition": "output.n < 3"}]
    made = world(written).start().fails("a")
    assert made.run.nodes.keys() == {"c"}
    made.interrupted("c")
    assert made.result.status is RunStatus.FAILED
    assert made.result.error is not None
    assert made.result.error.message.startswith("edge 'a->b': expression 'output.n < 3' failed")
    assert made.statuses() == {"a": "failed", "b": "not_started", "c": "cancelled"}
