# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms out of a tree of frames, in cases that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing, TransformBuffer

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def add(buffer: TransformBuffer, parent: str, child: str, at_s: float, *pose: float, is_static: bool = False) -> None:
    """Add a pose x y z and optionally roll pitch yaw."""
    transform = Transform.from_pose(*pose, *[0.0] * (6 - len(pose)))  # type: ignore[call-arg]
    x, y, z = transform.translation.tolist()
    buffer.add(parent, child, T0 + round(at_s * SECOND), (x, y, z), transform.quaternion, is_static)


def find(buffer: TransformBuffer, target: str, source: str, at_s: float) -> Transform:
    found = buffer.find(target, source, T0 + round(at_s * SECOND))
    assert isinstance(found, Transform), found
    return found


def missing(buffer: TransformBuffer, target: str, source: str, at_s: float) -> Missing:
    found = buffer.find(target, source, T0 + round(at_s * SECOND))
    assert isinstance(found, Missing)
    return found


def robot() -> TransformBuffer:
    """Return a robot that drives at 2 m/s along x and turns by 0.5 rad/s, with two sensors on it."""
    buffer = TransformBuffer()
    for step in range(11):
        at_s = step / 10
        add(buffer, "odom", "base_link", at_s, 2 * at_s, 0, 0, 0, 0, 0.5 * at_s)
    add(buffer, "base_link", "velodyne", 0, 1, 0, 1.8, 0, 0, math.pi / 2, is_static=True)
    add(buffer, "base_link", "camera", 0, 2, 0, 1.5, is_static=True)
    return buffer


def test_a_static_transform_holds_at_any_time() -> None:
    for at_s in (-1000.0, 0.0, 1000.0):
        found = find(robot(), "base_link", "velodyne", at_s)
        np.testing.assert_allclose(found.translation, (1, 0, 1.8))
        np.testing.assert_allclose(found.rotation, Transform.from_pose(0, 0, 0, 0, 0, math.pi / 2).rotation, atol=1e-12)


def test_the_other_way_round_is_the_inverse() -> None:
    there, back = (find(robot(), *pair, 0.5) for pair in (("odom", "velodyne"), ("velodyne", "odom")))
    np.testing.assert_allclose(there.after(back).rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(there.after(back).translation, np.zeros(3), atol=1e-12)


def test_beside_each_other_the_common_parent_joins_them() -> None:
    """The camera is 1 m ahead of the other sensor, which looks to the left, and 0.3 m below."""
    np.testing.assert_allclose(find(robot(), "velodyne", "camera", 5.0).translation, (0, -1, -0.3), atol=1e-12)


@pytest.mark.parametrize("at_s", [0.0, 0.1, 0.123, 0.95, 1.0])
def test_between_two_stamps_it_moves_and_turns_evenly(at_s: float) -> None:
    found = find(robot(), "odom", "base_link", at_s)
    np.testing.assert_allclose(found.translation, (2 * at_s, 0, 0), atol=1e-9)
    np.testing.assert_allclose(found.rotation, Transform.from_pose(0, 0, 0, 0, 0, 0.5 * at_s).rotation, atol=1e-9)


def test_through_the_whole_chain() -> None:
    found = find(robot(), "odom", "velodyne", 0.4)
    np.testing.assert_allclose(found.translation, (0.8 + math.cos(0.2), math.sin(0.2), 1.8), atol=1e-9)
    expected = Transform.from_pose(0, 0, 0, 0, 0, math.pi / 2 + 0.2).rotation
    np.testing.assert_allclose(found.rotation, expected, atol=1e-9)


def test_of_one_frame_it_is_the_identity_also_where_nobody_speaks_of_it() -> None:
    assert find(robot(), "camera", "camera", 9.0).is_identity
    assert find(TransformBuffer(), "a", "a", 9.0).is_identity


def test_the_newest_is_meant_by_stamp_0() -> None:
    found = robot().find("odom", "base_link", 0)
    assert isinstance(found, Transform)
    np.testing.assert_allclose(found.translation, (2, 0, 0))


def test_slashes_of_ros_1_are_taken_off() -> None:
    buffer = TransformBuffer()
    add(buffer, "/base_link", "/lidar", 0, 1, 2, 3, is_static=True)
    np.testing.assert_allclose(find(buffer, "base_link", "/lidar", 0).translation, (1, 2, 3))


def test_a_later_moment_may_come_and_is_said_to_the_millisecond() -> None:
    assert missing(robot(), "odom", "velodyne", 1.25) == Missing(
        "of the poses of 'base_link' in 'odom', the newest is 0.250 s older than the cloud", may_come=True
    )


def test_an_earlier_moment_cannot_come_any_more() -> None:
    assert missing(robot(), "odom", "base_link", -0.5) == Missing(
        "of the poses of 'base_link' in 'odom', the oldest kept is 0.500 s newer than the cloud", may_come=False
    )


@pytest.mark.parametrize(
    ("target", "source", "reason"),
    [
        ("base_link", "ouster", "frame 'ouster' is not published on /tf or /tf_static"),
        ("map", "velodyne", "frame 'map' is not published on /tf or /tf_static"),
        ("world", "velodyne", "they are in two separate trees, with the roots 'odom' and 'world'"),
    ],
)
def test_frames_that_are_not_joined_may_be_later(target: str, source: str, reason: str) -> None:
    buffer = robot()
    add(buffer, "world", "house", 0, 1, 2, 3, is_static=True)
    assert missing(buffer, target, source, 0.5) == Missing(reason, may_come=True)


def test_what_comes_late_is_put_between() -> None:
    buffer = TransformBuffer()
    for at_s in (0.0, 2.0, 1.0):
        add(buffer, "odom", "base_link", at_s, at_s**2, 0, 0)
    assert find(buffer, "odom", "base_link", 0.5).translation[0] == pytest.approx(0.5)
    assert find(buffer, "odom", "base_link", 1.5).translation[0] == pytest.approx(2.5)


def test_what_is_said_twice_of_a_moment_is_taken_from_the_last() -> None:
    buffer = TransformBuffer()
    for x in (1, 5):
        add(buffer, "odom", "base_link", 1.0, x, 0, 0)
    add(buffer, "odom", "base_link", 2.0, 7, 0, 0)
    assert find(buffer, "odom", "base_link", 1.0).translation[0] == 5
    assert find(buffer, "odom", "base_link", 1.5).translation[0] == 6


def test_ten_seconds_are_kept_and_no_more() -> None:
    buffer = TransformBuffer()
    for at_s in range(30):
        add(buffer, "odom", "base_link", at_s, at_s, 0, 0)
    assert find(buffer, "odom", "base_link", 19.5).translation[0] == pytest.approx(19.5)
    assert not missing(buffer, "odom", "base_link", 18.0).may_come


def test_a_clock_that_goes_back_begins_anew() -> None:
    buffer = TransformBuffer()
    for at_s in (100.0, 101.0, 0.0, 1.0):
        add(buffer, "odom", "base_link", at_s, at_s, 0, 0)
    assert find(buffer, "odom", "base_link", 0.5).translation[0] == pytest.approx(0.5)
    assert missing(buffer, "odom", "base_link", 100.5).may_come


def test_a_frame_that_gets_another_parent_leaves_the_old_one() -> None:
    buffer = robot()
    add(buffer, "camera", "velodyne", 0, 0, 0, 1, is_static=True)
    np.testing.assert_allclose(find(buffer, "base_link", "velodyne", 0.5).translation, (2, 0, 2.5))


def test_a_static_transform_that_is_said_again_counts_as_it_is_now() -> None:
    buffer = TransformBuffer()
    for x in (1, 2):
        add(buffer, "base_link", "velodyne", 5 - x, x, 0, 0, is_static=True)
    assert find(buffer, "base_link", "velodyne", 0).translation[0] == 2


def test_a_ring_of_frames_ends_the_search() -> None:
    buffer = TransformBuffer()
    add(buffer, "a", "b", 0, 1, 0, 0, is_static=True)
    add(buffer, "b", "a", 0, 1, 0, 0, is_static=True)
    assert missing(buffer, "c", "a", 0).may_come


@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0), (math.inf, 0.0, 0.0, 1.0)])
def test_what_is_no_rotation_is_passed_over(quaternion: tuple[float, float, float, float]) -> None:
    buffer = TransformBuffer()
    buffer.add("base_link", "velodyne", T0, (1.0, 0.0, 0.0), quaternion, True)
    assert missing(buffer, "base_link", "velodyne", 0).may_come


def test_a_quaternion_of_another_length_is_the_same_turn() -> None:
    buffer = TransformBuffer()
    buffer.add("base_link", "velodyne", T0, (0.0, 0.0, 0.0), (0.0, 0.0, 3.0, 3.0), True)
    expected = Transform.from_pose(0, 0, 0, 0, 0, math.pi / 2).rotation
    np.testing.assert_allclose(find(buffer, "base_link", "velodyne", 0).rotation, expected, atol=1e-12)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_poses_of_no_place_are_passed_over(value: float) -> None:
    buffer = TransformBuffer()
    buffer.add("odom", "base", 1, (0.0, value, 0.0), (0.0, 0.0, 0.0, 1.0), True)
    buffer.add("odom", "base", 1, (0.0, 0.0, 0.0), (0.0, 0.0, value, 1.0), True)
    assert isinstance(buffer.find("odom", "base", 0), Missing)
