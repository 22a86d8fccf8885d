# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillars against their slow twin, and at every border."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import Points, grouped, random_cloud, tiny_config, tiny_grid
from test.reference import pillars as slow

GRIDS = {
    "roomy": tiny_grid(max_pillars=1000, max_points_per_pillar=50),
    "few pillars": tiny_grid(max_pillars=30),
    "few points": tiny_grid(max_pillars=1000, max_points_per_pillar=1),
    "one of each": tiny_grid(max_pillars=1, max_points_per_pillar=1),
    "tiny": tiny_config().grid,
}


def assert_same_as_twin(pillars: Pillars, points: Points, grid: GridConfig) -> None:
    expected = slow.group(points, grid)
    assert pillars.size == len(expected)
    assert [tuple(cell) for cell in pillars.coords[: pillars.size]] == list(expected)
    assert pillars.starts[0] == 0
    for pillar, kept in enumerate(expected.values()):
        np.testing.assert_array_equal(points_of(pillars, pillar), points[kept])


def points_of(pillars: Pillars, pillar: int) -> Points:
    return pillars.points[pillars.starts[pillar] : pillars.starts[pillar + 1]]


def points_at(*positions: tuple[float, float, float]) -> Points:
    return np.array([(*position, 0.5) for position in positions], np.float32).reshape(-1, 4)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("count", [0, 1, 40, 700])
@pytest.mark.parametrize("seed", range(3))
def test_random_clouds_are_grouped_as_by_the_twin(grid: GridConfig, count: int, seed: int) -> None:
    points = random_cloud(np.random.default_rng(seed), count, grid)
    assert_same_as_twin(grouped(points, grid), points, grid)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_clouds_on_a_fine_lattice_are_grouped_as_by_the_twin(grid: GridConfig) -> None:
    """Coordinates with two decimals, as many sensors report them, often lie on cell borders."""
    rng = np.random.default_rng(4)
    points = np.round(random_cloud(rng, 700, grid) / 0.04) * np.float32(0.04)
    assert_same_as_twin(grouped(points, grid), points, grid)


def test_nothing_of_earlier_clouds_survives_in_reused_buffers() -> None:
    grid, rng = tiny_config().grid, np.random.default_rng(5)
    pillars = Pillars(grid)
    for count in (300, 5, 0, 800, 1, 300, 0, 60):
        points = random_cloud(rng, count, grid)
        pillars.group(points)
        assert_same_as_twin(pillars, points, grid)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_points_with_a_coordinate_that_is_not_finite_are_dropped(poison: float, axis: int) -> None:
    grid = tiny_config().grid
    points = random_cloud(np.random.default_rng(6), 100, grid)
    points[::2, axis] = poison
    pillars = grouped(points, grid)
    assert np.isfinite(pillars.points[: pillars.starts[pillars.size]]).all()
    assert_same_as_twin(pillars, points, grid)


def test_a_cloud_of_nothing_but_nan_has_no_pillar() -> None:
    pillars = grouped(np.full((50, 4), np.nan, np.float32), tiny_config().grid)
    assert pillars.size == 0


def test_huge_finite_coordinates_are_out_of_range() -> None:
    points = points_at((3e38, 0, 0), (-3e38, 0, 0), (0, 3e38, 0), (0, -3e38, 0), (0, 0, 3e38))
    assert grouped(points, tiny_config().grid).size == 0


@pytest.mark.parametrize(
    ("position", "cell"),
    [
        ((0.0, 0.0, 0.0), (0, 4)),
        ((4.0, 0.0, 0.0), None),
        ((-1e-6, 0.0, 0.0), None),
        ((0.0, -2.0, 0.0), (0, 0)),
        ((0.0, 2.0, 0.0), None),
        ((3.9999, 1.9999, 0.0), (7, 7)),
        ((0.5, 0.5, 0.0), (1, 5)),
        ((0.49999, 0.49999, 0.0), (0, 4)),
        ((1.0, 0.0, -3.0), (2, 4)),
        ((1.0, 0.0, 1.0), None),
        ((1.0, 0.0, 0.99999), (2, 4)),
        ((1.0, 0.0, -3.00001), None),
    ],
)
def test_lower_borders_belong_to_a_cell_and_upper_ones_to_the_next(
    position: tuple[float, float, float], cell: tuple[int, int] | None
) -> None:
    grid = tiny_grid(x_range=(0.0, 4.0), y_range=(-2.0, 2.0), pillar_size=(0.5, 0.5))
    pillars = grouped(points_at(position), grid)
    assert [tuple(found) for found in pillars.coords[: pillars.size]] == ([] if cell is None else [cell])


def test_pillars_beyond_the_limit_are_dropped_but_points_of_kept_ones_are_not() -> None:
    grid = tiny_grid(max_pillars=2)
    points = points_at((0.1, 0.1, 0), (1.1, 0.1, 0), (2.1, 0.1, 0), (0.1, 0.1, 0), (2.1, 0.1, 0))
    pillars = grouped(points, grid)
    assert pillars.starts.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(pillars.points[:3], points[[0, 3, 1]])


def test_points_beyond_the_limit_of_a_pillar_are_dropped_and_the_first_ones_kept() -> None:
    grid = tiny_grid(max_points_per_pillar=3)
    points = points_at(*[(0.1, 0.1, z / 10) for z in range(5)])
    pillars = grouped(points, grid)
    assert pillars.starts[:2].tolist() == [0, 3]
    np.testing.assert_array_equal(pillars.points[:3], points[:3])


def test_a_pillar_dropped_from_one_cloud_is_there_in_the_next() -> None:
    grid = tiny_grid(max_pillars=1)
    pillars = Pillars(grid)
    pillars.group(points_at((0.1, 0.1, 0), (1.1, 0.1, 0)))
    pillars.group(points_at((1.1, 0.1, 0)))
    assert pillars.size == 1
    assert pillars.coords[0].tolist() == [6, 8]


def test_grouping_leaves_the_points_alone() -> None:
    grid = tiny_config().grid
    points = random_cloud(np.random.default_rng(7), 100, grid)
    before = points.copy()
    grouped(points, grid)
    np.testing.assert_array_equal(points, before)
