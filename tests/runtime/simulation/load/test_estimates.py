"""Streaming statistics keep their promises: the relative error of quantiles, the coverage of intervals."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbill.runtime.simulation.load.estimates import (
    MAX_BATCHES,
    RELATIVE_ERROR,
    BatchMeans,
    Quantiles,
    student,
)


@given(st.lists(st.floats(min_value=1e-5, max_value=1e7), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_off_by_no_more_than_the_stated_share(values: list[float], share: float) -> None:
    quantiles = Quantiles()
    for value in values:
        quantiles.add(value)
    exact = sorted(values)[int(share * (len(values) - 1))]
    assert quantiles.quantile(share) == pytest.approx(exact, rel=RELATIVE_ERROR * 1.001)
    assert quantiles.mean == pytest.approx(sum(values) / len(values))


def test_values_that_are_none_count_as_zero() -> None:
    quantiles = Quantiles()
    for value in (0.0, 0.0, 0.0, 8.0):
        quantiles.add(value)
    assert (quantiles.quantile(0.5), quantiles.none) == (0.0, 3)
    assert quantiles.quantile(1.0) == pytest.approx(8.0, rel=0.01)
    assert Quantiles().quantile(0.99) == 0.0


def test_a_million_values_take_a_few_hundred_buckets() -> None:
    quantiles, draw = Quantiles(), random.Random(1)
    for _ in range(100_000):
        quantiles.add(draw.expovariate(0.1))
    assert len(quantiles.buckets) < 1_000


def test_batches_stay_between_half_and_all_of_the_most() -> None:
    means = BatchMeans()
    numbers = []
    for value in range(10_000):
        means.add(value)
        numbers.append(len(means.batches))
    assert max(numbers) < MAX_BATCHES
    assert all(later >= MAX_BATCHES // 2 for sooner, later in pairwise(numbers) if later < sooner)
    assert means.estimate().mean == pytest.approx(4999.5)


def test_too_few_values_give_a_mean_and_no_interval() -> None:
    means = BatchMeans()
    assert (means.estimate().count, means.estimate().half) == (0, None)
    for _ in range(2 * MAX_BATCHES - 1):
        means.add(2.0)
    assert (means.estimate().mean, means.estimate().half, means.estimate().holds(2.0)) == (2.0, None, False)


def test_nineteen_of_twenty_intervals_of_correlated_values_hold_the_mean() -> None:
    """An autoregressive series whose neighbours correlate by 0.8: taken as independent, most intervals would miss."""
    draw, held, replications = random.Random(6), 0, 300
    for _ in range(replications):
        means, value = BatchMeans(), draw.gauss(0, 1 / 0.6)
        for _ in range(4_000):
            value = 0.8 * value + draw.gauss(0, 1)
            means.add(value + 3.0)
        held += means.estimate().holds(3.0)
    assert 0.91 <= held / replications <= 0.99


@pytest.mark.parametrize(("freedom", "expected"), [(9, 2.2622), (19, 2.0930), (39, 2.0227)])
def test_students_quantile_is_the_tables(freedom: int, expected: float) -> None:
    assert student(freedom) == pytest.approx(expected, rel=1e-3)
