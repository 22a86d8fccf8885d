# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dense PFE inputs against their slow twin, cloud after cloud in the same memory."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import Points, random_cloud, tiny_config, tiny_grid
from test.reference import dense_pfe as slow


def assert_same_as_twin(inputs: DensePfeInputs, points: Points, grid: GridConfig, rows: int) -> None:
    expected = slow.dense_inputs(points, grid, rows)
    for name, found, wanted in zip(DensePfeInputs._fields, inputs, expected, strict=True):
        if name.startswith("center"):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found, wanted, err_msg=name)


@pytest.mark.parametrize("rows", [60, 64], ids=["exact", "last block padded"])
@pytest.mark.parametrize("count", [0, 1, 50, 900])
def test_random_clouds_are_written_as_by_the_twin(count: int, rows: int) -> None:
    grid = tiny_config().grid
    inputs = slow.blank(grid, rows, value=9.0)
    points, pillars = random_cloud(np.random.default_rng(count), count, grid), Pillars(grid)
    dense = DensePfe(grid, inputs)
    pillars.group(points)
    dense.fill(pillars)
    assert_same_as_twin(inputs, points, grid, rows)


def test_nothing_of_earlier_clouds_survives_in_the_tensors() -> None:
    grid, rng = tiny_config().grid, np.random.default_rng(1)
    inputs, pillars = slow.blank(grid, grid.max_pillars), Pillars(grid)
    dense = DensePfe(grid, inputs)
    for count in (500, 3, 0, 900, 40, 0, 1, 500):
        points = random_cloud(rng, count, grid)
        pillars.group(points)
        dense.fill(pillars)
        assert_same_as_twin(inputs, points, grid, grid.max_pillars)


def test_a_pillar_with_fewer_points_than_before_has_its_slots_cleared() -> None:
    grid = tiny_grid(max_pillars=1, max_points_per_pillar=3)
    inputs, pillars = slow.blank(grid, 1), Pillars(grid)
    dense = DensePfe(grid, inputs)
    for count in (3, 1, 2):
        points = np.full((count, 4), 0.5, np.float32)
        pillars.group(points)
        dense.fill(pillars)
        assert inputs.mask.ravel().tolist() == [1.0] * count + [0.0] * (3 - count)
        assert inputs.num_points[0, 0] == count


def test_blanking_sets_every_value_whatever_the_memory_held() -> None:
    grid = tiny_config().grid
    inputs = slow.blank(grid, grid.max_pillars, value=np.nan)
    DensePfe(grid, inputs)
    assert_same_as_twin(inputs, np.zeros((0, 4), np.float32), grid, grid.max_pillars)


def test_an_empty_pillar_counts_one_point_so_that_the_graph_does_not_divide_by_zero() -> None:
    grid = tiny_config().grid
    inputs = slow.blank(grid, grid.max_pillars)
    DensePfe(grid, inputs)
    assert (inputs.num_points == 1.0).all()


def test_centres_come_from_the_offset_of_the_network_and_not_from_the_geometry() -> None:
    grid = tiny_grid(pillar_center_offset=(7.0, -9.0))
    inputs, pillars = slow.blank(grid, grid.max_pillars), Pillars(grid)
    dense = DensePfe(grid, inputs)
    points = np.array([(0.33, -1.15, 0, 0)], np.float32)  # column 2, row 2
    pillars.group(points)
    dense.fill(pillars)
    assert inputs.center_x[0, 0, 0, 0] == pytest.approx(7.0 + 2 * 0.16)
    assert inputs.center_y[0, 0, 0, 0] == pytest.approx(-9.0 + 2 * 0.2)
