# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levelling: the ground comes to where it is expected, boxes come back exactly, and odd grounds change nothing."""

from __future__ import annotations

import logging
import math
from itertools import pairwise

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.ground import GroundPlane, fit_ground
from pointpillars_ov_ros.clouds.level import (
    MAX_SHIFT_M,
    MAX_TILT_DEG,
    Leveller,
    level_boxes,
    level_transform,
    unlevel_boxes,
)
from pointpillars_ov_ros.core.verdict import NOT_LEVELLED

RNG = np.random.default_rng(11)
PLANES = [GroundPlane(*RNG.uniform((-0.08, -0.08, -2.2), (0.08, 0.08, -1.3))) for _ in range(20)]
FLAT = GroundPlane(0.0, 0.0, -1.73)


def ground(plane: GroundPlane, count: int = 20_000) -> np.ndarray:
    """Return a cloud (N, 4) of a road on `plane`, and of a wall beside it."""
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 25, count), rng.uniform(-10, 10, count)
    z = plane.rise_x * x + plane.rise_y * y + plane.z + rng.normal(0, 0.005, count)
    z[y > 9.0] += rng.uniform(0.0, 3.0, int((y > 9.0).sum()))
    return np.column_stack([x, y, z, np.zeros(count)]).astype(np.float32)


@pytest.mark.parametrize("plane", PLANES)
def test_the_plane_becomes_level_at_the_height_that_is_expected_without_a_turn_in_yaw(plane: GroundPlane) -> None:
    transform = level_transform(plane, -1.73)
    xy = RNG.uniform(-50, 50, (100, 2))
    on = np.column_stack([xy, xy @ plane[:2] + plane.z])
    np.testing.assert_allclose((on @ transform.rotation.T + transform.translation)[:, 2], -1.73, atol=1e-9)
    np.testing.assert_allclose(transform.rotation @ transform.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(transform.rotation) == pytest.approx(1.0)
    # The shortest turn: its axis is horizontal.
    assert transform.rotation[0, 1] == pytest.approx(transform.rotation[1, 0], abs=1e-12)


def turned_box(box: np.ndarray, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return one box (7,) moved, as slowly and plainly as can be: by its centre and the middle of its front."""
    front = box[:3] + np.array([math.cos(box[6]), math.sin(box[6]), 0.0])
    centre, front = rotation @ box[:3] + translation, rotation @ front + translation
    return np.array([*centre, *box[3:6], math.atan2(front[1] - centre[1], front[0] - centre[0])])


@pytest.mark.parametrize("plane", PLANES)
def test_boxes_come_back_as_their_slow_twins_do_and_exactly(plane: GroundPlane) -> None:
    transform = level_transform(plane, -1.73)
    boxes = np.column_stack(
        [
            RNG.uniform(-60, 60, (50, 2)),
            RNG.normal(0, 1, 50),
            RNG.uniform(0.5, 5, (50, 3)),
            RNG.uniform(-3.14, 3.14, 50),
        ]
    ).astype(np.float32)
    back = unlevel_boxes(boxes, transform)
    slow = [turned_box(box.astype(float), transform.inverse.rotation, transform.inverse.translation) for box in boxes]
    np.testing.assert_allclose(back, slow, atol=2e-5)
    np.testing.assert_allclose(level_boxes(back, transform), boxes, atol=3e-5)
    assert boxes.dtype == back.dtype == np.float32
    assert unlevel_boxes(boxes[:0], transform).shape == (0, 7)


def test_the_first_good_ground_is_taken_fully_and_later_ones_slowly() -> None:
    leveller = Leveller(1.73)
    assert leveller.status.startswith(NOT_LEVELLED)
    tilted = GroundPlane(0.03, -0.02, -1.6)
    moved, transform = leveller.level(ground(tilted))
    assert transform is not None
    found = fit_ground(moved)
    assert found is not None
    np.testing.assert_allclose(found, FLAT, atol=0.01)
    assert leveller.status == "levelled by +1.7 deg along x, -1.1 deg along y, +0.13 m"
    rises = []
    for _ in range(60):
        transform = leveller.look(ground(FLAT))
        assert transform is not None
        rises.append(transform.rotation[0, 2])
    assert rises[0] == pytest.approx(0.8 * 0.03, abs=0.002)
    assert all(a > b - 1e-9 for a, b in pairwise(rises))
    assert rises[-1] == pytest.approx(0.0, abs=0.002)


def test_clouds_without_a_ground_are_levelled_as_the_ones_before() -> None:
    leveller, empty = Leveller(1.73), np.zeros((0, 4), np.float32)
    assert leveller.level(empty)[1] is None
    before = leveller.look(ground(GroundPlane(0.02, 0.0, -1.7)))
    after = leveller.look(empty)
    assert before is not None and after is not None
    np.testing.assert_array_equal(before.rotation, after.rotation)


@pytest.mark.parametrize(
    ("plane", "says"),
    [
        (GroundPlane(math.tan(math.radians(MAX_TILT_DEG + 1)), 0.0, -1.73), "tilted by 6.0 degrees"),
        (GroundPlane(0.0, 0.0, -1.73 - MAX_SHIFT_M - 0.1), "below the network's frame, which expects it 1.73 m"),
    ],
)
def test_a_ground_out_of_bounds_is_said_and_not_applied(
    plane: GroundPlane, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    leveller, points = Leveller(1.73), ground(plane)
    with caplog.at_level(logging.INFO):
        moved, transform = leveller.level(points)
    assert transform is None and moved is points
    assert says in caplog.text and "sensor_pose" in caplog.text
    assert leveller.status.startswith(NOT_LEVELLED) and says in leveller.status
    # One such cloud between others changes nothing, and many in a row end what was believed before.
    assert leveller.look(ground(FLAT)) is not None
    assert leveller.look(points) is not None
    assert [leveller.look(points) is None for _ in range(20)] == [False] * 18 + [True] * 2


@pytest.mark.parametrize(("jump_s", "is_forgotten"), [(0.1, False), (4.0, False), (60.0, True), (-1.0, True)])
def test_the_ground_is_forgotten_where_time_jumps(jump_s: float, is_forgotten: bool) -> None:
    leveller = Leveller(1.73)
    for stamp_s in (100.0, 100.1):
        leveller.note_stamp(round(stamp_s * 1e9))
        leveller.look(ground(GroundPlane(0.04, 0.0, -1.73)))
    leveller.note_stamp(round((100.1 + jump_s) * 1e9))
    after = leveller.look(ground(FLAT))
    assert after is not None
    assert after.rotation[0, 2] == pytest.approx(0.0 if is_forgotten else 0.032, abs=0.002)


def test_what_is_done_is_logged_seldom(caplog: pytest.LogCaptureFixture) -> None:
    leveller = Leveller(1.73)
    with caplog.at_level(logging.INFO):
        for plane in (GroundPlane(0.03, 0.0, -1.7), FLAT, FLAT, GroundPlane(0.2, 0.0, -1.7)):
            leveller.look(ground(plane))
    assert caplog.text.count("levelled by +1.7 deg along x") == 1
    assert len(caplog.records) == 1


def test_the_cloud_that_is_given_is_left_as_it_was() -> None:
    points = ground(GroundPlane(0.03, 0.01, -1.6))
    before = points.copy()
    assert Leveller(1.73).level(points)[1] is not None
    np.testing.assert_array_equal(points, before)
