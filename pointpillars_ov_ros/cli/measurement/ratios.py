# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ratios that hold on a noisy machine: two things measured in turn, and the median of the ratios of the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

Pair = tuple[float, float]

_TAIL = 0.025
"""Of each side: what is between has a confidence of 95 %."""


@dataclass(frozen=True)
class Estimate:
    """A median."""

    value: float
    low: float
    high: float
    """Bounds that hold the true median with a confidence of 95 % or more; of few values, the least and the greatest."""
    count: int
    """Of how many values it is the median."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Give the bounds; None where there are too few values for that confidence."""
        return (self.low, self.high) if bounding_rank(self.count) else None


def take_turns(candidate: Callable[[], float], reference: Callable[[], float], turns: int) -> list[Pair]:
    """Measure both so many times, one directly after the other; the order is swapped every time.

    What slows the machine down for longer than a turn then slows both down, and what comes with being first or
    second falls on each as often.
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
    """Give the median of the ratios of the pairs.

    Not the ratio of the two medians: on a machine that is now fast and now slow, each of those lies anywhere
    between. A pair that was disturbed on one side only is an outlier, which the median does not follow.
    """
    return estimate([ours / theirs for ours, theirs in pairs])


def estimate(values: Sequence[float]) -> Estimate:
    """Give the median of `values`, and its bounds by rank, for which they need have no distribution in particular."""
    ordered = sorted(values)
    rank = max(1, bounding_rank(len(ordered)))
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank], len(ordered))


def bounding_rank(size: int) -> int:
    """Give the k for which the k-th smallest and the k-th greatest of so many values bound the median; 0: none.

    A value is below the true median as a coin falls: fewer than k of them are with a probability of `_TAIL` at most.
    """
    rank, probability = 0, comb(size, 0) / 2**size
    while probability <= _TAIL:
        rank += 1
        probability += comb(size, rank) / 2**size
    return rank
