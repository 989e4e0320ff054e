"""A share of the soak: examples, late mail and drawn pipelines; `make soak` runs a million seeds.

With 100 seeds of each study every fixed mutant is found (`tests/mutants`): fewer are never tried here.
"""

import pytest

from playbill.runtime.simulation.coverage import all_pairs
from playbill.runtime.simulation.explore import Exploration, explore
from tests.soak.reach import beyond_reach
from tests.soak.studies import PLANNED, STUDIES, study

SEEDS = 2_100 // len(PLANNED)
SEEDS_OF_OTHERS = 100


def searched(name: str, seeds: int) -> Exploration:
    seen = explore(study(name), seeds)
    assert [f"seed {finding.seed}: {finding}" for finding in seen.findings] == []
    assert seen.seeds == seeds
    return seen


@pytest.mark.timeout(240)
@pytest.mark.parametrize("share", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", PLANNED)
def test_no_seed_breaks_an_invariant(name: str, share: int) -> None:
    seen = searched(name, SEEDS * share)
    assert {"completed", "failed", "cancelled", "crashed"} <= seen.statuses.keys()


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in PLANNED])
def test_no_seed_of_late_mail_or_of_a_drawn_pipeline_breaks_an_invariant(name: str) -> None:
    seen = searched(name, SEEDS_OF_OTHERS)
    assert seen.coverage.isdisjoint(beyond_reach())


def test_what_cannot_be_reached_is_in_the_tables() -> None:
    assert beyond_reach() <= all_pairs()
