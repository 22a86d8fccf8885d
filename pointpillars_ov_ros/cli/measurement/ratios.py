# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ratios that hold on a noisy machine: two things measured in turn, and the median of the pairs' ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

Pair = tuple[float, float]

_TAIL = 0.025
"""Probability of each tail: the interval between has a confidence of 95 %."""


@dataclass(frozen=True)
class Estimate:
    """A median with its confidence interval."""

    value: float
    low: float
    high: float
    """Bounds that contain the true median with a confidence of at least 95 %; for few values, their extremes."""
    count: int
    """Number of values that the median is of."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds; None if there are too few values for that confidence."""
        return (self.low, self.high) if bounding_rank(self.count) else None


def take_turns(candidate: Callable[[], float], reference: Callable[[], float], turns: int) -> list[Pair]:
    """Measure both `turns` times, one directly after the other, swapping the order every time.

    Slow-downs of the machine that last longer than a turn then affect both, and effects of being first or second affect
    each equally often.
    """
    pairs = []
    for turn in range(turns):
        if turn % 2:
            theirs = reference()
            pairs.append((candidate(), theirs))
        else:
            ours = candidate()
            pairs.append((ours, reference()))
    return pairs


def paired_ratio(pairs: Iterable[Pair]) -> Estimate:
    """Return the median of the ratios of the pairs.

    This is not the ratio of the two medians: on a machine that is now fast and now slow, each of those may be anywhere
    in between. A pair disturbed on one side only is an outlier, which the median ignores.
    """
    return estimate([ours / theirs for ours, theirs in pairs])


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of `values`, and its bounds by rank, which assume no particular distribution."""
    ordered = sorted(values)
    rank = max(1, bounding_rank(len(ordered)))
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank], len(ordered))


def bounding_rank(size: int) -> int:
    """Return the k for which the k-th smallest and k-th largest of `size` values bound the median; 0: none.

    A value is below the true median with probability 1/2: fewer than k of them are with a probability of at most
    `_TAIL`.
    """
    rank, probability = 0, comb(size, 0) / 2**size
    while probability <= _TAIL:
        rank += 1
        probability += comb(size, rank) / 2**size
    return rank
