# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms against single turns by hand, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.transform import Quaternion, Transform, multiply, slerp

RIGHT = math.pi / 2
SEEDS = pytest.mark.parametrize("seed", range(20))


def random_transform(rng: np.random.Generator) -> Transform:
    return Transform.from_pose(*rng.uniform(-20, 20, 3), *rng.uniform(-math.pi, math.pi, 3))


def moved(transform: Transform, *xyz: float) -> list[float]:
    points = np.array([(*xyz, 0.25)], np.float32)
    transform.move(points)
    assert points[0, 3] == 0.25
    return [round(float(value), 5) + 0.0 for value in points[0, :3]]


def turn(q: Quaternion) -> np.ndarray:
    return Transform.from_quaternion((0, 0, 0), q).rotation


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ((RIGHT, 0, 0), [1, -3, 2]),
        ((0, RIGHT, 0), [3, 2, -1]),
        ((0, 0, RIGHT), [-2, 1, 3]),
        # First roll, which brings y to z, then yaw, which brings x to y.
        ((RIGHT, 0, RIGHT), [3, 1, 2]),
        ((RIGHT, RIGHT, 0), [2, -3, -1]),
    ],
)
def test_right_angles_take_axes_to_axes(angles: tuple[float, float, float], expected: list[float]) -> None:
    assert moved(Transform.from_pose(0, 0, 0, *angles), 1, 2, 3) == expected
    beside = [10 + expected[0], 20 + expected[1], 30 + expected[2]]
    assert moved(Transform.from_pose(10, 20, 30, *angles), 1, 2, 3) == beside


def test_the_pose_of_a_sensor_takes_its_points_to_where_it_stands() -> None:
    pitched_down = Transform.from_pose(1.0, 0.0, -0.5, 0.0, math.radians(10), 0.0)
    down = 0.5 + 20 * math.sin(math.radians(10))
    assert moved(pitched_down, 20, 0, 0) == pytest.approx([1 + 20 * math.cos(math.radians(10)), 0, -down], abs=1e-5)


def test_identity_changes_nothing_bit_by_bit() -> None:
    points = np.random.default_rng(1).normal(0, 30, (100, 4)).astype(np.float32)
    before = points.copy()
    Transform.identity().move(points)
    np.testing.assert_array_equal(points, before)
    assert Transform.from_pose(0, 0, 0, 0, 0, 0).is_identity
    assert not Transform.from_pose(0, 0, 1e-9, 0, 0, 0).is_identity


@SEEDS
def test_there_and_back_is_where_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    transform = random_transform(rng)
    points = rng.normal(0, 30, (50, 4)).astype(np.float32)
    before = points.copy()
    transform.move(points)
    assert np.abs(points - before).max() > 0.1
    transform.inverse.move(points)
    np.testing.assert_allclose(points, before, atol=1e-4)


@SEEDS
def test_joined_is_one_after_the_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    T_a_b, T_b_c = random_transform(rng), random_transform(rng)
    points = rng.normal(0, 30, (50, 4)).astype(np.float32)
    at_once = points.copy()
    T_b_c.move(points)
    T_a_b.move(points)
    T_a_b.after(T_b_c).move(at_once)
    np.testing.assert_allclose(at_once, points, atol=1e-4)


@pytest.mark.parametrize("angles", [(math.pi, 0, 0), (0, math.pi, 0), (0, 0, math.pi), (0, 0, 0), (3.1, 0.1, -3.1)])
def test_the_quaternion_of_a_half_turn_is_right_too(angles: tuple[float, float, float]) -> None:
    transform = Transform.from_pose(0, 0, 0, *angles)
    np.testing.assert_allclose(turn(transform.quaternion), transform.rotation, atol=1e-9)


@SEEDS
def test_quaternions_and_matrices_are_of_the_same_turn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_transform(rng), random_transform(rng)
    assert math.hypot(*a.quaternion) == pytest.approx(1.0) and a.quaternion[3] >= 0
    np.testing.assert_allclose(turn(a.quaternion), a.rotation, atol=1e-9)
    np.testing.assert_allclose(turn(multiply(a.quaternion, b.quaternion)), a.rotation @ b.rotation, atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("angle", [0.0, 1e-8, 0.4, 3.0])
def test_slerp_turns_evenly_and_the_short_way(angle: float, sign: int, share: float) -> None:
    begin, end = (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, sign * math.sin(angle / 2), sign * math.cos(angle / 2))
    expected = Transform.from_pose(0, 0, 0, 0, 0, share * angle).rotation
    np.testing.assert_allclose(turn(slerp(begin, end, share)), expected, atol=1e-7)
