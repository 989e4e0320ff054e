"""Runs arrive when their sources say: in order, at the rate named, the same for the same seed, never as a list."""

from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.simulation.load.arrivals import arrivals, check_recorded
from playbill.runtime.simulation.load.plan import LoadPlan, load_load_plan
from tests.runtime.simulation.load.support import plan


def times(load: LoadPlan) -> list[float]:
    return [at for at, _ in arrivals(load)]


def of(*sources: dict[str, Any], span: Any = 100, **more: Any) -> LoadPlan:
    return plan(span=span, arrivals=list(sources), **more)


def test_constant_and_bursts_come_on_the_clock_and_end_with_the_span() -> None:
    assert times(of({"constant": {"every": 30, "first": 5}})) == [5, 35, 65, 95]
    assert times(of({"bursts": {"every": "40s", "size": 2}})) == [0, 0, 40, 40, 80, 80]


def test_several_sources_are_merged_in_the_order_of_time() -> None:
    load = of({"constant": {"every": 40}}, {"bursts": {"every": 50, "size": 2, "first": 40}})
    assert list(arrivals(load)) == [(0, 0), (40, 0), (40, 1), (40, 1), (80, 0), (90, 1), (90, 1)]


def test_poisson_arrivals_have_their_rate_and_know_nothing_of_each_other() -> None:
    found = times(of({"poisson": {"rate": 2.0}}, span=20_000))
    gaps = [later - sooner for sooner, later in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    spread = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.5, rel=0.02)
    assert spread == pytest.approx(0.25, rel=0.05)


def test_a_profile_is_thinned_to_the_rate_of_each_step() -> None:
    steps = [[100, 1.0], ["5000s", "600/min"], [6000, 0], [8000, 3]]
    found = times(of({"poisson": {"profile": steps}}, span=10_000))
    counts = [sum(low <= at < high for at in found) for low, high in ((0, 100), (100, 5000), (5000, 6000))]
    assert counts == [0, pytest.approx(4_900, rel=0.05), pytest.approx(10_000, rel=0.05)]
    assert not [at for at in found if 6000 <= at < 8000]
    assert sum(at >= 8000 for at in found) == pytest.approx(6_000, rel=0.05)
    assert found == sorted(found)


def test_the_same_seed_gives_the_same_arrivals_and_another_does_not() -> None:
    first, again = (times(of({"poisson": {"rate": 1}}, seed=4)) for _ in range(2))
    assert first == again
    assert first != times(of({"poisson": {"rate": 1}}, seed=5))


def test_one_source_is_the_same_whatever_the_others_are() -> None:
    alone = of({"poisson": {"rate": 1}})
    joined = of({"poisson": {"rate": 1}}, {"poisson": {"rate": 7}})
    assert [at for at, source in arrivals(joined) if source == 0] == times(alone)


def test_arrivals_are_made_one_by_one() -> None:
    endless = of({"poisson": {"rate": 1e6}}, span="365d")
    assert len(list(islice(arrivals(endless), 10))) == 10


def test_recorded_seconds_and_iso_times_are_read(tmp_path: Path) -> None:
    (tmp_path / "seconds.txt").write_text("# a comment\n0.5\n\n2\n99.5\n100\n")
    (tmp_path / "iso.txt").write_text("2026-01-01T08:00:00Z\n2026-01-01T09:01:30+01:00\n")
    text = "span: 100\narrivals: [{recorded: {file: seconds.txt}}, {recorded: {file: iso.txt}}]\n"
    (tmp_path / "load.yaml").write_text(text)
    load = load_load_plan(tmp_path / "load.yaml")
    assert list(arrivals(load)) == [(0.0, 1), (0.5, 0), (2.0, 0), (90.0, 1), (99.5, 0)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "1\nsoon\n",
            "arrivals.txt:2: 'soon' is not a time: write seconds, or ISO 8601 such as 2026-01-01T08:00:00Z",
        ),
        ("-1\n", "arrivals.txt:1: '-1' is not a time: seconds are 0 or more, and finite"),
        ("nan\n", "arrivals.txt:1: 'nan' is not a time: seconds are 0 or more, and finite"),
        ("5\n4\n", "arrivals.txt:2: '4' goes back in time, from 5 s: sort the file"),
        ("5\n2026-01-01\n", "arrivals.txt:2: '2026-01-01' mixes seconds and ISO times: use one of them in the whole"),
        ("# nothing\n", "arrivals.txt: holds no arrival: write one time a line, in seconds or ISO 8601"),
        (f"{'x' * 60}\n", f"arrivals.txt:1: '{'x' * 37}...' is not a time"),
    ],
)
def test_a_recorded_file_that_is_wrong_names_file_line_and_rule(tmp_path: Path, lines: str, told: str) -> None:
    file = tmp_path / "arrivals.txt"
    file.write_text(lines)
    with pytest.raises(DefinitionError) as caught:
        check_recorded(of({"recorded": {"file": str(file)}}))
    assert f"{tmp_path}/{told}" in str(caught.value)


def test_a_recorded_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, why in (("none", "No such file or directory"), ("binary", "can't decode byte 0xff")):
        with pytest.raises(DefinitionError, match=f"{name}: cannot be read: .*{why}"):
            check_recorded(of({"recorded": {"file": str(tmp_path / name)}}))
