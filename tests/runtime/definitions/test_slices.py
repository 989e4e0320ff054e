"""Large definitions are made beside the cyclic collector, and nobody else's garbage stays for it."""

import gc
from collections import Counter

import pytest

import playbill
from playbill.model.policies import StopPolicy
from playbill.runtime.definitions import slices
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.definitions.slices import IN_A_ROW, Uncollected


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the collector was told what."""
    told = Counter[str]()
    monkeypatch.setattr(slices, "MANY", 3)
    monkeypatch.setattr(Uncollected, "_moved", (0, 0))
    for name in ("freeze", "unfreeze", "collect"):
        monkeypatch.setattr(gc, name, lambda name=name: told.update([name]))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 0)
    monkeypatch.setattr(gc, "get_stats", lambda: [{"collections": told["collect"]}])
    return told


def test_what_a_large_definition_makes_is_set_aside_at_once(told: Counter[str]) -> None:
    with Uncollected(3):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert told == {"freeze": 1, "unfreeze": 1}


def test_what_is_small_or_frozen_by_others_is_left_to_the_collector(
    told: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Uncollected(2):
        assert not gc.isenabled()
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 5)
    with Uncollected(3):
        assert not gc.isenabled()
    assert not told


def test_many_large_ones_in_a_row_do_not_keep_the_garbage_of_others(told: Counter[str]) -> None:
    for _ in range(3 * (IN_A_ROW + 1)):
        with Uncollected(3):
            pass
    assert told["collect"] == 3


def test_a_collector_that_is_off_stays_off(told: Counter[str]) -> None:
    gc.disable()
    try:
        with Uncollected(3):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert not told


def test_a_definition_that_is_known_is_not_made_again(told: Counter[str]) -> None:
    compiler = PipelineCompiler(catalog_of(()), StopPolicy())
    nodes = [playbill.PipelineNode(id=f"n{place}", type="trigger") for place in range(5)]
    definition = playbill.PipelineDefinition(nodes=nodes)
    compiler.of(definition)
    before = told.copy()
    assert compiler.of(definition) is compiler.of(definition)
    assert told == before
