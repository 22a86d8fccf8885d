# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds against what a network was trained with: heights, tilts and times, with the pose that mends them."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.checks import CloudCures, check_echoes, check_mounting, check_times, pose_of
from pointpillars_ov_ros.clouds.ground import fit_ground
from pointpillars_ov_ros.clouds.oddities import FILE_CURES
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.findings import Level

CURES = CloudCures(FILE_CURES._replace(pose="{numbers}"), ("train",), "uncover", "record again")
HEIGHT = 1.73
IDENTITY = Transform.identity()


def ground(*pose: float) -> np.ndarray:
    """Return level ground as a sensor sees it whose pose, above the ground, is given."""
    random = np.random.default_rng(1)
    xy = random.uniform((-30.0, -15.0), (30.0, 15.0), (20_000, 2))
    points = np.column_stack([xy, random.normal(0.0, 0.01, len(xy)), np.full(len(xy), 0.5)]).astype(np.float32)
    Transform.from_pose(*pose).inverse.move(points)
    return points


@pytest.mark.parametrize("pose", [(0, 0, 1.73, 0, 0, 0), (0, 0, 1.9, 0, 0, 0), (0, 0, 1.73, 0.02, -0.02, 0)])
def test_a_sensor_where_it_is_expected_is_ok(pose: tuple[float, ...]) -> None:
    assert check_mounting([ground(*pose)], IDENTITY, HEIGHT, CURES).level is Level.OK


@pytest.mark.parametrize(
    ("pose", "level"),
    [
        ((0, 0, 0.73, 0, 0, 0), Level.FAULT),
        ((0, 0, 2.1, 0, 0, 0), Level.WARN),
        ((0, 0, 1.73, 0, 0.15, 0), Level.WARN),
        ((0, 0, 3.0, -0.1, 0.1, 0), Level.FAULT),
    ],
)
def test_the_pose_that_is_typed_puts_the_ground_where_the_network_expects_it(
    pose: tuple[float, ...], level: Level
) -> None:
    cloud = ground(*pose)
    finding = check_mounting([cloud], IDENTITY, HEIGHT, CURES)
    assert finding.level is level
    moved = cloud.copy()
    Transform.from_pose(*map(float, finding.cures[0].split())).move(moved)
    plane = fit_ground(moved)
    assert plane is not None
    assert plane.z == pytest.approx(-HEIGHT, abs=0.02)
    assert np.degrees(plane.tilt) == pytest.approx(0.0, abs=0.6)


def test_a_pose_that_was_given_is_corrected_and_not_replaced() -> None:
    given = Transform.from_pose(0.5, 0.0, -0.4, 0.0, 0.0, 0.3)
    cloud = ground(0, 0, 0.73, 0, 0, 0)
    given.move(cloud)
    finding = check_mounting([cloud], given, HEIGHT, CURES)
    assert finding.text.startswith("the sensor, after applying its pose, is 1.1")
    assert [float(number) for number in finding.cures[0].split()] == pytest.approx([0.5, 0, -1.0, 0, 0, 0.3], abs=0.02)


def test_without_ground_nothing_is_said_against_it() -> None:
    random = np.random.default_rng(0).normal(0.0, 5.0, (5000, 4)).astype(np.float32)
    assert check_mounting([random], IDENTITY, HEIGHT, CURES).level is Level.NOTE


@pytest.mark.parametrize("pose", [(1.0, -2.0, 0.5, 0.3, -0.2, 1.5), (0.0, 0.0, 0.0, 3.1, 0.0, -1.0)])
def test_a_transform_is_read_back_as_the_pose_it_was_made_of(pose: tuple[float, ...]) -> None:
    assert pose_of(Transform.from_pose(*pose)) == pytest.approx(pose, abs=1e-4)


def stamps(*seconds: float) -> list[int]:
    return [round(1e9 * (1_700_000_000 + second)) for second in seconds]


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (np.arange(20) / 10, Level.OK, "10.0 clouds a second by their stamps, 0 ms of jitter"),
        (np.delete(np.arange(20) / 10, [5, 6, 9]), Level.WARN, "3 clouds of 20 missing"),
        (np.arange(20) / 2, Level.WARN, "2.0 clouds a second"),
        (np.arange(20) / 10 + np.tile([0.0, 0.045], 10), Level.WARN, "ms of jitter"),
        ([0.0, 0.1, 0.2, 0.1, 0.2, 0.3, 0.4, 0.5], Level.WARN, "1 stamp earlier than that of the previous cloud"),
        (np.zeros(5), Level.WARN, "do not increase"),
    ],
)
def test_rate_jitter_and_gaps_are_told_by_the_stamps(seconds: np.ndarray, level: Level, words: str) -> None:
    (finding,) = check_times(stamps(*seconds), CURES)
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.cures) == finding.level.needs_cure


def test_two_clouds_have_no_rate() -> None:
    assert check_times(stamps(0.0, 0.1), CURES) == []


@pytest.mark.parametrize(
    ("kept", "sent", "level"),
    [(50_000, 50_000, Level.OK), (50_000, 130_000, Level.OK), (5_000, 130_000, Level.WARN), (0, 130_000, Level.FAULT)],
)
def test_points_without_an_echo_are_counted(kept: int, sent: int, level: Level) -> None:
    cloud = np.ones((kept, 4), np.float32)
    finding = check_echoes([cloud], sent, CURES)
    assert finding.level is level
    assert "uncover" in finding.cures or level is Level.OK
