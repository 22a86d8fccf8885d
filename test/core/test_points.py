# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cleaning of clouds against its slow twin."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.core.points import clean_points

from ..builders import Points, random_cloud, tiny_config
from ..reference import points as slow


def dirty_cloud(seed: int, count: int) -> Points:
    rng = np.random.default_rng(seed)
    points = random_cloud(rng, count, tiny_config().grid)
    dirty = rng.random(points.shape) < 0.1
    points[dirty] = rng.choice([np.nan, np.inf, -np.inf], dirty.sum())
    return points


@pytest.mark.parametrize("scale", [1.0, 1 / 255, 1e9])
@pytest.mark.parametrize("count", [0, 1, 200])
def test_random_clouds_are_cleaned_as_by_the_twin(count: int, scale: float) -> None:
    points = dirty_cloud(count, count)
    expected, brightest = slow.clean(points, scale)
    kept, found = clean_points(points, scale)
    np.testing.assert_allclose(kept, expected, rtol=1e-6)
    assert found == pytest.approx(brightest, rel=1e-6)


def test_the_points_kept_are_a_view_in_the_order_of_arrival() -> None:
    points = np.array([(1, 0, 0, 0.1), (np.nan, 0, 0, 9), (2, 0, 0, 0.3), (3, 0, 0, 0.2)], np.float32)
    kept, brightest = clean_points(points, 1.0)
    assert np.shares_memory(kept, points)
    assert kept[:, 0].tolist() == [1, 2, 3]
    assert brightest == pytest.approx(0.3)


@pytest.mark.parametrize("intensity", [np.nan, np.inf, -np.inf, 3e38])
def test_an_intensity_that_is_not_finite_becomes_zero_and_its_point_stays(intensity: float) -> None:
    kept, brightest = clean_points(np.array([(1, 2, 3, intensity)], np.float32), 10.0)
    assert kept.tolist() == [[1, 2, 3, 0]]
    assert brightest == 0


def test_a_cloud_of_nothing_but_nan_is_empty() -> None:
    kept, brightest = clean_points(np.full((9, 4), np.nan, np.float32), 1.0)
    assert kept.shape == (0, 4)
    assert brightest == 0
