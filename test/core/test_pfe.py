# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The host encoder against its slow twin, for both ways of pooling."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.pfe import HostEncoder, PfeWeights, SlotConvolution
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import tiny_config
from test.reference import pfe as slow

CHANNELS = 6
POOLINGS = ("maximum", "maximum, two biases", "dilation 1", "dilation 3")


def grid_of(slots: int = 10) -> GridConfig:
    return dataclasses.replace(tiny_config().grid, max_points_per_pillar=slots)


def random_weights(rng: np.random.Generator, pooling: str, slots: int) -> PfeWeights:
    linear = rng.normal(size=(9, CHANNELS)).astype(np.float32)
    bias = rng.normal(size=CHANNELS).astype(np.float32)
    if pooling.startswith("maximum"):
        other = rng.normal(size=CHANNELS).astype(np.float32) if "two" in pooling else None
        return PfeWeights(linear, bias, None, other)
    dilation = int(pooling[-1])
    taps = rng.normal(size=((slots - 1) // dilation + 1, CHANNELS, CHANNELS)).astype(np.float32)
    return PfeWeights(linear, bias, SlotConvolution(taps, rng.normal(size=CHANNELS).astype(np.float32), dilation))


def random_cloud(rng: np.random.Generator, size: int, grid: GridConfig, corner: float = 1.0) -> np.ndarray:
    """Return points over the range, or crowded into a corner of it."""
    low = np.array([grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0])
    high = np.array([grid.x_range[1], grid.y_range[1], grid.z_range[1], 1.0])
    return (low + (high - low) * rng.uniform(0, (corner, corner, 1, 1), (size, 4))).astype(np.float32)


def assert_encoded(encoder: HostEncoder, points: np.ndarray, pillars: Pillars, weights: PfeWeights) -> None:
    pillars.group(points)
    features = encoder.encode(pillars)
    assert features.shape == (1, CHANNELS, pillars.grid.max_pillars) and features.dtype == np.float32
    expected = slow.encode(pillars, pillars.grid, weights).reshape(-1, CHANNELS)
    np.testing.assert_allclose(features[0, :, : pillars.size].T, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("seed", range(5))
def test_random_clouds_are_encoded_as_by_the_twin(pooling: str, seed: int) -> None:
    """The same encoder takes them one after the other: nothing of an earlier cloud may be left."""
    rng, grid = np.random.default_rng(seed), grid_of()
    weights = random_weights(rng, pooling, grid.max_points_per_pillar)
    encoder, pillars = HostEncoder(grid, weights), Pillars(grid)
    for size, corner in ((300, 1.0), (40, 1.0), (500, 0.2), (1, 1.0), (0, 1.0), (300, 1.0)):
        assert_encoded(encoder, random_cloud(rng, size, grid, corner), pillars, weights)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 10, 11, 30])
def test_pillars_of_every_fullness_are_encoded_as_by_the_twin(pooling: str, count: int) -> None:
    """One point, some, just all slots, more points than slots: padding counts in all but the full ones."""
    rng, grid = np.random.default_rng(count), grid_of()
    weights = random_weights(rng, pooling, grid.max_points_per_pillar)
    points = random_cloud(rng, count, grid)
    points[:, :2] = np.float32([1.0, 0.3])
    assert_encoded(HostEncoder(grid, weights), points, Pillars(grid), weights)


def test_padding_wins_over_points_below_it() -> None:
    """A slot without a point yields ReLU(bias), which the maximum must include; a full pillar has no such slot."""
    grid = grid_of(slots=2)
    weights = PfeWeights(np.zeros((9, 1), np.float32), np.ones(1, np.float32), None)
    weights.linear[3] = -10.0
    point = np.float32([[1.0, 0.0, 0.0, 0.5]])
    pillars = Pillars(grid)
    for points, expected in ((point, 1.0), (np.vstack([point, point]), 0.0)):
        pillars.group(points)
        assert HostEncoder(grid, weights).encode(pillars)[0, 0, 0] == expected
