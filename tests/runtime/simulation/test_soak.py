"""Twenty thousand seeds over the examples with every fault; `make soak` runs a million."""

import pytest

from playbill.runtime.simulation.explore import explore
from tests.soak.studies import STUDIES, study

SEEDS = 20_000 // len(STUDIES) + 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", STUDIES)
def test_no_seed_breaks_an_invariant(name: str) -> None:
    seen = explore(study(name), SEEDS)
    assert [f"seed {finding.seed}: {finding}" for finding in seen.findings] == []
    assert seen.seeds == SEEDS
    assert {"completed", "failed", "cancelled", "crashed"} <= seen.statuses.keys()
