# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes set on the ground: against the slow twin, and on ground of known shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.ground_contact import find_lowest, make_cells, set_on_ground
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import Points
from test.reference import ground_contact as slow

GRID = GridConfig((0.0, 40.0), (-20.0, 20.0), (-5.0, 3.0), (0.16, 0.16), 40_000, 32, (0.08, -19.92))
CAR = (15.0, 2.0, -0.9, 4.0, 1.8, 1.5, 0.4)


class PutDown:
    """The kernels, on memory that is kept from one cloud to the next."""

    def __init__(self, clearance: float = 0.0) -> None:
        self._pillars, self._cells, self._clearance = Pillars(GRID), make_cells(GRID), clearance

    def __call__(self, points: Points, boxes: Points) -> Points:
        self._pillars.group(points)
        coords = self._pillars.coords[: self._pillars.size]
        find_lowest(coords, self._pillars.starts, self._pillars.points, self._cells)
        moved = boxes.copy()
        set_on_ground(moved, self._cells, self._clearance)
        return moved


def put_down(points: Points, boxes: Points, clearance: float = 0.0) -> Points:
    return PutDown(clearance)(points, boxes)


def street(height: Callable[[Points, Points], Points], seed: int = 0, count: int = 20_000) -> Points:
    """Return a cloud of the ground z = height(x, y), with 1 cm of noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 40, count), rng.uniform(-20, 20, count)
    z = height(x, y) + rng.normal(0, 0.01, count)
    return np.column_stack([x, y, z, np.full(count, 0.3)]).astype(np.float32)


def flat(x: Points, y: Points) -> Points:
    return np.full_like(x, -1.7)


def bottoms(boxes: Points) -> Points:
    return boxes[:, 2] - boxes[:, 5] / 2


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_moved_as_by_the_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = street(lambda x, y: -1.7 + 0.03 * x - 0.02 * y + 0.2 * np.sin(x), seed, 3000)
    # Objects, and places without ground.
    points[: len(points) // 3, 2] += rng.uniform(0, 1.5, len(points) // 3).astype(np.float32)
    points = points[np.hypot(points[:, 0] - 20, points[:, 1]) > 6]
    boxes = np.column_stack(
        [rng.uniform(0, 40, 40), rng.uniform(-20, 20, 40), rng.uniform(-1.5, 0.5, 40), rng.uniform(0.3, 12, (40, 2)),
         rng.uniform(1, 3, 40), rng.uniform(-3, 3, 40)]
    ).astype(np.float32)  # fmt: skip
    expected = slow.set_on_ground(points, boxes, GRID, 0.03)
    np.testing.assert_allclose(put_down(points, boxes, 0.03), expected, atol=1e-4)
    assert (np.abs(expected - boxes)[:, 2] > 0.01).sum() > 5


@pytest.mark.parametrize("error", [-0.45, -0.1, 0.0, 0.2, 0.45])
@pytest.mark.parametrize("clearance", [0.0, 0.05])
def test_the_bottom_is_the_ground_whatever_the_network_said(error: float, clearance: float) -> None:
    box = np.array([CAR], np.float32)
    box[0, 2] = -1.7 + 0.75 + error
    moved = put_down(street(flat), box, clearance)
    assert bottoms(moved)[0] == pytest.approx(-1.7 + clearance, abs=0.02)
    assert np.array_equal(np.delete(moved, 2, 1), np.delete(box, 2, 1))


def test_on_a_slope_it_is_the_ground_under_the_centre_though_only_one_side_is_seen() -> None:
    points = street(lambda x, y: -1.7 + 0.05 * x - 0.04 * y)
    in_front = points[points[:, 0] < CAR[0] + 1.0]
    box = np.array([CAR], np.float32)
    truth = -1.7 + 0.05 * CAR[0] - 0.04 * CAR[1]
    box[0, 2] = truth + 0.75 + 0.2
    assert bottoms(put_down(in_front, box))[0] == pytest.approx(truth, abs=0.04)


def test_walls_plants_and_echoes_from_below_are_not_the_ground() -> None:
    rng = np.random.default_rng(3)
    points = street(flat)
    hedge = points[(points[:, 1] > 3.5) & (points[:, 1] < 5)].copy()
    hedge[:, 2] += rng.uniform(0.3, 1.2, len(hedge)).astype(np.float32)
    puddle = points[rng.random(len(points)) < 0.003].copy()
    puddle[:, 2] -= 0.5
    road = points[(points[:, 1] <= 3.5) | (points[:, 1] >= 5)]
    box = np.array([CAR], np.float32)
    moved = put_down(np.concatenate([road, hedge, puddle]), box)
    assert bottoms(moved)[0] == pytest.approx(-1.7, abs=0.04)


def test_without_ground_a_box_stays() -> None:
    box = np.array([CAR], np.float32)
    far = street(flat)[np.hypot(street(flat)[:, 0] - CAR[0], street(flat)[:, 1] - CAR[1]) > 8]
    for points in (far, street(lambda x, y: flat(x, y) - 1.0), street(flat)[:0]):
        assert np.array_equal(put_down(points, box), box)


def test_odd_boxes_stay_and_none_is_fine() -> None:
    odd = np.array([CAR] * 4, np.float32)
    odd[0, 3] = 1e9
    odd[1, 0] = -1e6
    odd[2, 1] = 1e30
    odd[3, 2] = 1e30
    assert np.array_equal(put_down(street(flat), odd), odd)
    assert put_down(street(flat), np.zeros((0, 7), np.float32)).shape == (0, 7)


def test_a_cloud_leaves_nothing_behind_for_the_next_one() -> None:
    again = PutDown()
    box = np.array([CAR], np.float32)
    for height in (-1.7, -1.4, -1.9):
        points = street(lambda x, y, height=height: np.full_like(x, height))
        assert bottoms(again(points, box))[0] == pytest.approx(height, abs=0.02)


def test_boxes_that_differ_by_rounding_do_so_afterwards() -> None:
    rng = np.random.default_rng(5)
    points = street(lambda x, y: -1.7 + 0.1 * np.sin(x) + 0.1 * np.cos(2 * y), 5, 6000)
    boxes = np.tile(np.array([CAR], np.float32), (200, 1))
    boxes[:, :2] = rng.uniform((5, -15), (35, 15), (200, 2))
    boxes[:, 6] = rng.uniform(-3, 3, 200)
    nearby = boxes + rng.uniform(-1e-5, 1e-5, boxes.shape).astype(np.float32)
    assert np.abs(put_down(points, nearby) - put_down(points, boxes)).max() < 1e-3
