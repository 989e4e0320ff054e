"""Coverage says which states and messages of the machines' tables were seen, and which were not."""

from typing import Any

from playbill.runtime.simulation.coverage import all_pairs, unreached
from playbill.runtime.simulation.explore import explore
from tests.runtime.simulation.worlds import study_of

TWO: dict[str, Any] = {"nodes": [{"id": "a", "type": "parallel"}, {"id": "b", "type": "parallel"}]}


def test_states_that_nobody_was_in_are_named() -> None:
    seen = explore(study_of(TWO, {}), 5)
    named = unreached(seen.coverage)
    assert "paused" in named["SupervisorMachine"]
    assert "waiting" not in named["NodeMachine"]
    assert "done" not in named["NodeMachine"]  # it receives nothing, whoever is in it


def test_what_was_seen_is_among_what_the_tables_have() -> None:
    seen = explore(study_of(TWO, {}), 5)
    assert ("NodeMachine", "waiting", "Input") in seen.coverage
    assert seen.coverage <= all_pairs()


def test_nothing_seen_reaches_no_state_in_which_anything_is_received() -> None:
    named = unreached(set())
    assert named.keys() == {"SupervisorMachine", "SalvageMachine", "NodeMachine", "BreakerMachine", "CircuitMachine"}
    assert "half_open" in named["CircuitMachine"]
