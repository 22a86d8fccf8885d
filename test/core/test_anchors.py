# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anchors and their mask against the slow twins."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.config.model_config import AngleConvention, ModelConfig
from pointpillars_ov_ros.conversion.importers import preset_names, read_preset
from pointpillars_ov_ros.core.anchors import Occupancy, count_occupied, make_anchors, make_footprints, mark_occupied
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import grouped, random_cloud, tiny_config
from test.reference import anchors as slow

TURNS = [0.0, 0.7, 0.8, 1.57, -1.57, 2.3, 2.4, math.pi, -0.7, -0.8, 5.5, 5.6]


def turned_config(convention: AngleConvention) -> ModelConfig:
    """Return the tiny model with a long anchor at every angle that could be rounded to the wrong side."""
    anchor = {"class_name": "Car", "size": [0.83, 0.37, 0.31], "bottom_z": -1.7, "angles": TURNS}
    return tiny_config(anchors=[anchor], box_coder={"angle": convention.value})


def occupied_cells(pillars: Pillars) -> set[tuple[int, int]]:
    return {(int(column), int(row)) for column, row in pillars.coords[: pillars.size]}


def counted(occupancy: Occupancy, footprints: npt.NDArray[np.int16]) -> list[int]:
    return [int(count_occupied(occupancy.bits, footprint)) for footprint in footprints]


@pytest.mark.parametrize("name", ["tiny", *preset_names()])
def test_anchors_are_those_of_the_triple_loop(name: str) -> None:
    config = tiny_config() if name == "tiny" else read_preset(name)
    anchors = make_anchors(config)
    assert anchors.dtype == np.float32
    np.testing.assert_array_equal(anchors, slow.anchors(config))


def test_there_is_an_anchor_per_output_cell_class_and_angle() -> None:
    config = tiny_config()
    assert make_anchors(config).shape == (8 * 12 * 3, 7)
    assert config.anchors_per_cell == 3


@pytest.mark.parametrize("convention", AngleConvention)
@pytest.mark.parametrize("count", [0, 1, 20, 120, 900])
def test_pillars_under_each_anchor_are_counted_as_by_the_twin(convention: AngleConvention, count: int) -> None:
    config = turned_config(convention)
    anchors = make_anchors(config)
    pillars = grouped(random_cloud(np.random.default_rng(count), count, config.grid), config.grid)
    occupancy, occupied = Occupancy(config.grid.ny, config.grid.nx), occupied_cells(pillars)
    occupancy.update(pillars)
    expected = [slow.occupied_under(anchor, occupied, config.grid, convention) for anchor in anchors]
    assert counted(occupancy, make_footprints(config, anchors)) == expected


def test_the_two_angle_conventions_lay_an_anchor_along_different_axes() -> None:
    footprints = {}
    for convention in AngleConvention:
        config = tiny_config(box_coder={"angle": convention.value})
        footprints[convention] = make_footprints(config, make_anchors(config))[3 * (4 * 12 + 6)]
    left, below, right, above = (int(edge) for edge in footprints[AngleConvention.YAW])
    assert right - left > above - below
    left, below, right, above = (int(edge) for edge in footprints[AngleConvention.ROTATION_Y])
    assert right - left < above - below


def test_footprints_are_clipped_to_the_canvas() -> None:
    config = tiny_config(anchor_grid={"offset": [-20.0, 30.0]})
    footprints = make_footprints(config, make_anchors(config))
    assert footprints.min() >= 0
    assert footprints[:, [0, 2]].max() <= config.grid.nx - 1
    assert footprints[:, [1, 3]].max() <= config.grid.ny - 1


def test_nothing_of_earlier_clouds_survives_in_the_occupancy() -> None:
    config, rng = tiny_config(), np.random.default_rng(8)
    occupancy, pillars = Occupancy(config.grid.ny, config.grid.nx), Pillars(config.grid)
    for count in (500, 3, 0, 200, 0):
        pillars.group(random_cloud(rng, count, config.grid))
        occupancy.update(pillars)
        fresh = Occupancy(config.grid.ny, config.grid.nx)
        fresh.update(grouped(np.zeros((0, 4), np.float32), config.grid) if count == 0 else pillars)
        np.testing.assert_array_equal(occupancy.bits, fresh.bits)
        assert sum(int(word).bit_count() for word in occupancy.bits.ravel()) == pillars.size


@pytest.mark.parametrize("nx", [1, 63, 64, 65, 128, 150])
def test_every_rectangle_is_counted_over_the_borders_of_words(nx: int) -> None:
    rng, ny = np.random.default_rng(nx), 5
    occupied = rng.random((ny, nx)) < 0.5
    rows, columns = np.nonzero(occupied)
    occupancy = Occupancy(ny, nx)
    mark_occupied(np.stack([columns, rows], axis=1).astype(np.int32), len(rows), occupancy.bits)
    for _ in range(300):
        left, right = np.sort(rng.integers(0, nx, 2))
        below, above = np.sort(rng.integers(0, ny, 2))
        found = count_occupied(occupancy.bits, np.array([left, below, right, above], np.int16))
        assert found == occupied[below + 1 : above + 1, left + 1 : right + 1].sum()
