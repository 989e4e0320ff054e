"""Streaming statistics: quantiles of a stated relative error and means with confidence intervals, in flat memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

__all__ = ["BatchMeans", "Estimate", "Quantiles", "student"]

RELATIVE_ERROR: Final = 0.01
"""A quantile is off by at most this share of its value."""
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
PER_LOG: Final = 1 / math.log(GAMMA)
SMALLEST: Final = 1e-6
"""Seconds that count as none."""
MAX_BATCHES: Final = 40


class Quantiles:
    """Counts of values in buckets that grow by a constant factor.

    Source: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
    VLDB 2019; the same idea as HdrHistogram's.
    """

    __slots__ = ("buckets", "count", "highest", "none", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.none = 0
        """How many values are as good as zero."""
        self.count = 0
        self.total = 0.0
        self.highest = 0.0

    def add(self, value: float) -> None:
        """Count a value (0 or more)."""
        self.count += 1
        if value < SMALLEST:
            self.none += 1
            return
        self.total += value
        if value > self.highest:  # noqa: PLR1730 (max() is a call, here a million times)
            self.highest = value
        bucket = math.ceil(math.log(value) * PER_LOG)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    @property
    def mean(self) -> float:
        """The mean, exactly; 0 without values."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Return the value that `share` (0 to 1) of all are not above, within `RELATIVE_ERROR`; 0 without values."""
        rank = share * (self.count - 1)
        below = self.none
        if rank < below or not self.buckets:
            return 0.0
        bucket = 0
        for bucket in sorted(self.buckets):
            below += self.buckets[bucket]
            if rank < below:
                break
        return min(self.highest, 2 * GAMMA**bucket / (GAMMA + 1))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % confidence interval: mean +- half."""

    mean: float
    half: float | None
    """None: too few values to say."""
    count: int

    def holds(self, value: float) -> bool:
        """Tell whether the interval contains `value`."""
        return self.half is not None and abs(value - self.mean) <= self.half


class BatchMeans:
    """The mean of correlated values and how sure it is, from the means of batches.

    Batches begin with one value; when there are `MAX_BATCHES`, neighbours are merged and hold twice as many. So
    there are 20 to 39 of them at the end, without knowing the end before; merged once more, 10 to 19 means are long
    enough to be nearly independent.

    Source: Schmeiser, "Batch Size Effects in the Analysis of Simulation Output", 1982 (10 to 30 batches); Yeh,
    Schmeiser, "On the MSE robustness of batching estimators", 2001 (dynamic non-overlapping batches).
    """

    __slots__ = ("_in_batch", "_size", "_sum", "batches", "count", "total")

    def __init__(self) -> None:
        self.batches: list[float] = []
        """Sums of the batches that are full."""
        self.count = 0
        self.total = 0.0
        self._size = 1
        self._in_batch = 0
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Take the next value."""
        self.count += 1
        self.total += value
        self._sum += value
        self._in_batch += 1
        if self._in_batch == self._size:
            self._full()

    def _full(self) -> None:
        batches = self.batches
        batches.append(self._sum)
        self._sum, self._in_batch = 0.0, 0
        if len(batches) == MAX_BATCHES:
            self.batches = _pairs(batches)
            self._size *= 2

    def estimate(self) -> Estimate:
        """Return mean and interval."""
        if not self.count:
            return Estimate(0.0, None, 0)
        mean = self.total / self.count
        if self.count < 2 * MAX_BATCHES:
            return Estimate(mean, None, self.count)
        means = [batch / (2 * self._size) for batch in _pairs(self.batches)]
        number = len(means)
        middle = sum(means) / number
        spread = sum((value - middle) ** 2 for value in means) / (number - 1)
        return Estimate(mean, student(number - 1) * math.sqrt(spread / number), self.count)


def _pairs(batches: list[float]) -> list[float]:
    """Merge neighbours; one that is left over is given up."""
    return [first + second for first, second in zip(batches[::2], batches[1::2], strict=False)]


def student(freedom: int, confidence: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t, within 0.1 % from 9 degrees of freedom on.

    Source: Abramowitz, Stegun, "Handbook of Mathematical Functions", 26.7.5.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
