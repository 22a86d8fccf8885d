# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds that a network can do nothing with are noticed, and good ones are left in peace."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.oddities import FILE_CURES, NODE_CURES, find_oddities, share_in_range
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.frames import find_frames
from test.clouds.cloud_files import street
from test.shared_data import KITTI, SHARED, needs_shared_data

Change = Callable[[FloatArray], FloatArray]


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return read_preset("smallmunich_car")


def times(*factors: float) -> Change:
    return lambda points: points * np.array(factors, np.float32)


def plus(*offsets: float) -> Change:
    return lambda points: points + np.array(offsets, np.float32)


def seen_by(*pose: float, ahead: bool = False) -> Change:
    """Return the clouds of a sensor whose pose in the network's frame is `pose`."""

    def change(points: FloatArray) -> FloatArray:
        moved = points[points[:, 0] > 5.0] if ahead else points.copy()
        Transform.from_pose(*pose).inverse.move(moved)
        return moved

    return change


def swapped(points: FloatArray) -> FloatArray:
    """Return a cloud as read in the wrong byte order."""
    other = points.astype(">f4").view("<f4").astype(np.float32)
    return other[np.isfinite(other).all(axis=1)]


QUARTER = round(math.pi / 2, 4)
ODD: dict[str, tuple[Change, str, str, str]] = {
    "UTM": (plus(455_000, 5_411_000, 116, 0), "frame", "5,430 km from the origin", "target_frame"),
    "a map frame": (plus(3000, -2000, 0, 0), "frame", "4 km from the origin", "target_frame"),
    "millimetres": (times(1000, 1000, 1000, 1), "units", "in millimetres", "set coordinate_scale to 0.001"),
    "centimetres": (times(100, 100, 100, 1), "units", "in centimetres", "set coordinate_scale to 0.01"),
    "another unit": (times(30_000, 30_000, 30_000, 1), "units", "beyond 1 km", "set coordinate_scale to the factor"),
    "other byte order": (swapped, "byte order", "of the coordinates", "is_bigendian"),
    "behind": (seen_by(0, 0, 0, 0, 0, math.pi, ahead=True), "range", "most lie behind", "0.0, 3.1416]"),
    "too high": (plus(0, 0, 30, 0), "range", "z is about", "set sensor_pose"),
    "upside down": (seen_by(0, 0, 0, math.pi, 0, 0), "axes", "upside down", "[0.0, 0.0, 0.0, 3.1416, 0.0, 0.0]"),
    "camera's axes": (
        seen_by(0, 0, 0, -math.pi / 2, 0, -math.pi / 2), "axes", "camera", f"{-QUARTER}, 0.0, {-QUARTER}]",
    ),
    "y up": (
        seen_by(0, 0, 0, math.pi / 2, 0, -math.pi / 2), "axes", "graphics", f"{QUARTER}, 0.0, {-QUARTER}]",
    ),
    "negative intensity": (plus(0, 0, 0, -0.5), "intensity", "are negative", "intensity_field"),
    "0 to 255": (times(1, 1, 1, 255), "bright", "above 1.5", "intensity_scale"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_is_said_with_its_cure(config: ModelConfig, case: str) -> None:
    change, about, seen, cure = ODD[case]
    (oddity,) = find_oddities(change(street(20_000)), config, NODE_CURES)
    assert oddity.about == about
    assert seen in oddity.sentence and cure in oddity.sentence, oddity.sentence
    assert "\n" not in oddity.sentence and "{" not in oddity.sentence


@pytest.mark.parametrize("case", ["millimetres", "other byte order", "0 to 255"])
def test_of_files_the_cure_is_a_flag(config: ModelConfig, case: str) -> None:
    (oddity,) = find_oddities(ODD[case][0](street(20_000)), config, FILE_CURES)
    assert "--" in oddity.sentence and "{" not in oddity.sentence


GOOD: dict[str, Change] = {
    "as it is": lambda points: points,
    "only ahead": lambda points: points[points[:, 0] > 0.0],
    "other height": plus(0, 0, -1.0, 0),
    "to the left": seen_by(0, 0, 0, 0, 0, math.pi / 2),
    "tilted": seen_by(0, 0, 0, 0, 0.15, 0),
    "dark": times(1, 1, 1, 0),
    "few points": lambda points: points[:50] + np.float32(1e6),
    "nothing": lambda points: points[:0],
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_cloud_is_not_odd(config: ModelConfig, case: str) -> None:
    assert find_oddities(GOOD[case](street(20_000)), config, NODE_CURES) == []


@needs_shared_data
def test_no_real_cloud_is_odd(config: ModelConfig) -> None:
    frames = find_frames(KITTI) + find_frames(SHARED / "data" / "kitti360_sequence")
    assert len(frames) > 20
    for frame in frames:
        assert find_oddities(frame.read_points(), config, NODE_CURES) == []


@needs_shared_data
@pytest.mark.parametrize("case", ODD)
def test_every_real_cloud_that_is_changed_is_odd(config: ModelConfig, case: str) -> None:
    change, about, _, _ = ODD[case]
    for frame in find_frames(SHARED / "data" / "kitti360_sequence")[::4]:
        assert [oddity.about for oddity in find_oddities(change(frame.read_points()), config, NODE_CURES)] == [about]


def test_the_share_in_range_is_that_of_points_in_all_three_axes(config: ModelConfig) -> None:
    points = np.array([(1, 1, 0, 0), (-1, 1, 0, 0), (1, 50, 0, 0), (1, 1, 5, 0)], np.float32)
    assert share_in_range(points, config) == 0.25
    assert share_in_range(points[:0], config) == 0.0
