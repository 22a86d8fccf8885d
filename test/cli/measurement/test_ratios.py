# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs, medians and their bounds."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from pointpillars_ov_ros.cli.measurement.ratios import bounding_rank, estimate, paired_ratio, take_turns


def test_each_goes_first_every_other_time() -> None:
    order = []

    def measured(name: str, value: float) -> float:
        order.append(name)
        return value

    pairs = take_turns(lambda: measured("ours", 2.0), lambda: measured("theirs", 4.0), 4)
    assert pairs == [(2.0, 4.0)] * 4
    assert order == ["ours", "theirs", "theirs", "ours"] * 2


def test_the_ratio_is_not_moved_by_a_machine_that_changes_its_speed() -> None:
    rng = np.random.default_rng(0)
    # 5 % apart; the machine is twice as slow in the second half, and a third of the measurements are disturbed.
    speed = np.repeat([1.0, 2.0], 150)
    ours, theirs = (100 * base * speed * rng.normal(1, 0.01, 300) for base in (1.05, 1.0))
    for side in (ours, theirs):
        side[rng.random(300) < 0.15] *= rng.uniform(1.2, 3.0)
    found = paired_ratio(zip(ours.tolist(), theirs.tolist(), strict=True))
    assert found.value == pytest.approx(1.05, abs=0.01)
    assert found.bounds is not None and found.bounds[0] < 1.05 < found.bounds[1]
    assert found.count == 300


@pytest.mark.parametrize("values", [[3.0], [1.0, 5.0], [2.0, 9.0, 1.0]])
def test_of_few_values_there_is_a_median_without_bounds(values: list[float]) -> None:
    found = estimate(values)
    assert found.value == np.median(values)
    assert found.bounds is None
    assert (found.low, found.high) == (min(values), max(values))


@pytest.mark.parametrize("size", [6, 7, 12, 25, 100])
def test_the_bounds_are_as_near_as_95_percent_allow(size: int) -> None:
    def outside(rank: int) -> float:
        return 2 * sum(comb(size, below) for below in range(rank)) / 2**size

    rank = bounding_rank(size)
    assert outside(rank) <= 0.05 < outside(rank + 1)
    low, high = estimate(list(map(float, range(size)))).bounds or (0.0, 0.0)
    assert (low, high) == (rank - 1, size - rank)


def test_the_bounds_hold_the_true_median_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (400, 21))
    bounds = [estimate(sample.tolist()).bounds or (0.0, 0.0) for sample in samples]
    held = sum(low <= np.log(2) <= high for low, high in bounds)
    assert held >= 0.93 * len(samples)
    assert all(low < high for low, high in bounds)


def test_bounds_come_nearer_with_more_values() -> None:
    values = np.random.default_rng(2).normal(10.0, 1.0, 1000).tolist()
    widths = []
    for size in (10, 100, 1000):
        low, high = estimate(values[:size]).bounds or (0.0, 0.0)
        widths.append(high - low)
    assert all(wide > narrow for wide, narrow in itertools.pairwise(widths))
