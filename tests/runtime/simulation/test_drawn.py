"""The drawn studies are valid, the same each time, and draw all that a definition can say."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel

from playbill.model.definition import PipelineDefaults, PipelineDefinition, PipelineEdge, PipelineNode
from playbill.model.policies import BreakerPolicy, RetryPolicy
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending
from playbill.runtime.faults.kinds import KINDS
from tests.soak.drawn import DRAWN, drawn

MODELS: Final = (
    PipelineDefinition, PipelineDefaults, PipelineNode, PipelineEdge, RetryPolicy, BreakerPolicy,
    Behaviour, Duration, Ending,
)  # fmt: skip
WITHOUT_EFFECT: Final = {
    "PipelineDefinition.version": "a text that is recorded",
    "PipelineDefinition.description": "for people",
    "PipelineDefinition.tags": "for people",
    "PipelineDefinition.imports": "names where types come from, which the studies hand over",
    "PipelineNode.name": "for people",
    "PipelineNode.description": "for people",
    "PipelineNode.position": "for editors",
    "PipelineNode.ui": "for editors",
    "PipelineEdge.id": "for people",
    "PipelineEdge.ui": "for editors",
    "PipelineDefinition.ui": "for editors",
    "PipelineNode.limits": "kept by the kernel, in a process that no simulation has",
    "PipelineNode.next": "turned into edges when it is read",
}
"""The fields that do not say how a simulated run goes."""
STUDIES: Final = [drawn(number) for number in range(DRAWN)]


def models_in(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from models_in(part)


def drawn_fields() -> set[str]:
    """Return all fields that have a value other than the default in some study."""
    return {
        f"{type(model).__name__}.{name}"
        for study in STUDIES
        for model in models_in([study.definition, study.faults])
        for name, field in type(model).model_fields.items()
        if getattr(model, name) != field.get_default(call_default_factory=True, validated_data=vars(model))
    }


def test_every_field_that_says_how_a_run_goes_is_drawn() -> None:
    fields = {f"{model.__name__}.{name}" for model in MODELS for name in model.model_fields}
    assert fields - drawn_fields() == WITHOUT_EFFECT.keys()


def test_every_way_to_join_to_wait_and_to_force_is_drawn() -> None:
    assert {policy.half_open_permits for study in STUDIES for policy in study.definition.breakers.values()} == {
        1,
        2,
        3,
    }
    assert {edge.when for study in STUDIES for edge in study.definition.edges} == {"success", "failure", "always"}
    assert {study.policy for study in STUDIES} == {"random", "fifo", "pct:3"}
    graces = {node.grace for study in STUDIES for node in study.definition.nodes}
    assert 0.0 in graces
    assert len(graces) > 3


def test_the_faults_of_all_kinds_are_drawn() -> None:
    assert {fault.fault for study in STUDIES for fault in study.faults.faults} == KINDS.keys()


def test_two_of_three_make_nothing_late_and_do_not_crash() -> None:
    late = {"timer_late", "message_delay", "crash"}
    calm = [s for s in STUDIES if s.faults.buggify == 0.0 and late.isdisjoint(f.fault for f in s.faults.faults)]
    assert len(calm) == DRAWN * 2 // 3


@pytest.mark.parametrize("number", range(DRAWN))
def test_a_drawn_study_is_valid_and_the_same_each_time(number: int) -> None:
    STUDIES[number].check()
    assert drawn(number).as_dict() == STUDIES[number].as_dict()
