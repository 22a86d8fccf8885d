# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cleaning of clouds against its slow twin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.points import PointBuffers, clean_points, drop_inside
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.ego_box import check_ego_box
from pointpillars_ov_ros.config.errors import ConfigError
from test.builders import Points, random_cloud, tiny_config
from test.reference import points as slow
from test.reference.points_in_boxes import outside


def dirty_cloud(seed: int, count: int) -> Points:
    rng = np.random.default_rng(seed)
    points = random_cloud(rng, count, tiny_config().grid)
    dirty = rng.random(points.shape) < 0.1
    points[dirty] = rng.choice([np.nan, np.inf, -np.inf], dirty.sum())
    points[rng.random(count) < 0.1, :3] = 0.0
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


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_a_cloud_of_beams_without_an_echo_is_empty(nothing: float) -> None:
    kept, brightest = clean_points(np.array([(nothing, nothing, nothing, 7.0)] * 9, np.float32), 1.0)
    assert kept.shape == (0, 4)
    assert brightest == 0


def address(points: Points) -> int:
    return int(points.__array_interface__["data"][0])


def test_a_buffer_serves_again_when_its_cloud_is_gone() -> None:
    buffers = PointBuffers()
    points = buffers.borrow(100)
    assert points.shape == (100, 4) and points.dtype == np.float32
    first = address(points)
    del points
    assert address(buffers.borrow(80)) == first


def test_a_buffer_does_not_serve_again_while_a_part_of_its_cloud_is_held() -> None:
    buffers = PointBuffers()
    points = buffers.borrow(100)
    points[:] = 1.0
    part = points[10:20, 1:]
    del points
    buffers.borrow(100)[:] = 2.0
    assert (part == 1.0).all()


def test_a_buffer_that_is_too_short_is_replaced() -> None:
    buffers = PointBuffers()
    buffers.borrow(10)
    points = buffers.borrow(100_000)
    points[:] = 3.0
    assert (points == 3.0).all() and points.shape == (100_000, 4)


def test_there_are_as_many_buffers_as_clouds_held_at_a_time() -> None:
    buffers = PointBuffers()
    held = [buffers.borrow(10) for _ in range(3)]
    seen = {address(points) for points in held}
    assert len(seen) == 3
    del held
    for _ in range(20):
        pair = buffers.borrow(10), buffers.borrow(10)
        assert {address(points) for points in pair} < seen
        del pair


def test_what_a_giant_cloud_took_is_given_back_when_clouds_are_small_again() -> None:
    buffers = PointBuffers()
    for count in (1_000_000, 1000):
        buffers.borrow(count)
    assert [len(buffer) < 100_000 for buffer in buffers._free] == [True]
    for count in (1000, 900, 8000, 1000):
        buffers.borrow(count)
    assert len(buffers._free) == 1


BOX = (-1.5, -1.0, -0.5, 2.5, 1.0, 0.75)
MOUNTED = Transform.from_pose(0.5, -0.25, 0.5, 0.1, -0.2, 0.7)


@pytest.mark.parametrize("place", [Transform.identity(), MOUNTED], ids=["own frame", "another frame"])
@pytest.mark.parametrize("count", [0, 1, 2000])
def test_points_of_the_own_vehicle_are_left_out_as_by_the_twin(count: int, place: Transform) -> None:
    points = np.random.default_rng(count).uniform(-4, 4, (count, 4)).astype(np.float32)
    expected = outside(points, np.array(BOX[:3]), np.array(BOX[3:]), place)
    kept = drop_inside(points, BOX, place)
    np.testing.assert_array_equal(kept, expected)
    assert np.shares_memory(kept, points) or not count
    assert count < 100 or 0 < len(kept) < count


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 1, 1, 0), (1, 0, 0, -1, 1, 1), (math.nan, 0, 0, 1, 1, 1), (0, 0, 0, math.inf, 1, 1)]
)
def test_what_is_no_box_is_refused_in_one_sentence(box: tuple[float, ...]) -> None:
    check_ego_box((0.0,) * 6)
    check_ego_box(BOX)
    with pytest.raises(ConfigError, match=r"^ego_box: \[.*\] is not minimum x y z, maximum x y z \(m\) of a box"):
        check_ego_box(box)
