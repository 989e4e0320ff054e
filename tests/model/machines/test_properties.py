"""What holds in every run of every pipeline, whatever the order of events and whoever meddles."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition
from playbill.model.events import TERMINAL, EventType
from playbill.model.facts import Failure, Inputs, RunStatus
from tests.model.machines.pipelines import definitions
from tests.model.machines.recorder import FATAL, FLAKY
from tests.model.machines.world import World


def meddled(definition: PipelineDefinition, seed: int) -> World:
    """Run a pipeline whose handlers work, fail, or hang, while somebody pauses and cancels."""
    rng = random.Random(seed)

    def doing(node: str, attempt: int, inputs: Inputs) -> dict[str, Any] | Failure | None:
        return rng.choice([{"flag": True}, {"flag": False}, FLAKY, FATAL, None])

    world = World(definition, doing, rng, chaos=rng.choice((0.0, 0.02)), stubborn=rng.choice((0.0, 0.5)))
    world.by_call = rng.random() < 0.5
    world.trigger["flag"] = True
    world.run()
    return world


GOES_ON = {EventType.PIPELINE_NODE_WAITING, EventType.PIPELINE_NODE_RETRYING}
"""The events of nodes that end nothing."""


@pytest.mark.no_cover
@settings(max_examples=400)
@given(definitions(), st.integers(0, 2**32))
def test_every_run_ends_once_and_leaves_nothing(definition: PipelineDefinition, seed: int) -> None:
    world = meddled(definition, seed)  # it compares the fold of the events with the live state after every message
    terminal = [event for event in world.events if event.type in TERMINAL]
    assert terminal == world.events[-1:]
    assert world.result is not None
    assert world.result.status == terminal[0].data["status"]
    assert max(Counter(node for node, _ in world.outcomes).values(), default=1) == 1
    assert not world.nodes
    assert not world.breaker.parked
    assert not world.breaker.out
    assert len(world.breaker.orphaned) <= len(world.orphans)


@pytest.mark.no_cover
@settings(max_examples=200)
@given(definitions(), st.integers(0, 2**32))
def test_nothing_begins_after_a_stop_and_nothing_begins_twice(definition: PipelineDefinition, seed: int) -> None:
    world = meddled(definition, seed)
    started = [(e.node_id, e.attempt) for e in world.events if e.type is EventType.PIPELINE_NODE_STARTED]
    assert len(started) == len(set(started))
    ended: set[str | None] = set()
    for event in world.events:
        if event.type is EventType.PIPELINE_NODE_STARTED:
            assert event.node_id not in ended
        elif event.node_id is not None and event.type not in GOES_ON:
            ended.add(event.node_id)


@pytest.mark.no_cover
@settings(max_examples=200)
@given(definitions(), st.integers(0, 2**32))
def test_the_first_cause_decides_the_status(definition: PipelineDefinition, seed: int) -> None:
    world = meddled(definition, seed)
    result = world.result
    assert result is not None
    if result.cause is None:
        assert result.status is RunStatus.COMPLETED
    else:
        assert result.status is result.cause.status
