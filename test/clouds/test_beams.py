# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Beams found in clouds: those that the simulated sensors have, and none where points lie on no cones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.beams import assign_beams, count_elevations, find_beams
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.synthetic import SENSORS, Drive, load_sensor
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from test.shared_data import SHARED, needs_shared_data


def drive(sensor: str, seed: int = 3, clouds: int = 4, **changes: object) -> np.ndarray:
    """Return the points of a few clouds of a drive, 1 s apart."""
    return np.concatenate([one.points for one in Drive(replace(load_sensor(sensor), **changes), seed, clouds, 1.0)])


@pytest.mark.parametrize("sensor", SENSORS)
def test_the_beams_of_every_simulated_sensor_are_found_to_a_twentieth_of_a_degree(sensor: str) -> None:
    beams, truth = find_beams(drive(sensor)), load_sensor(sensor)
    assert beams is not None
    np.testing.assert_allclose(beams.elevations_deg, np.degrees(truth.elevations), atol=0.05)
    np.testing.assert_allclose(beams.heights, truth.heights, atol=0.015)


def test_a_tilted_mount_changes_no_beam() -> None:
    beams = find_beams(drive("hdl_64e", mount=MountModel(pitch_deg=4.0, roll_deg=-3.0)))
    assert beams is not None
    np.testing.assert_allclose(beams.elevations_deg, np.degrees(load_sensor("hdl_64e").elevations), atol=0.05)


def test_the_order_of_the_points_does_not_matter() -> None:
    points = drive("vlp_16", clouds=2)
    mixed = np.random.default_rng(1).permutation(points)
    first, second = find_beams(points), find_beams(mixed)
    assert first is not None and second is not None
    np.testing.assert_allclose(first.elevations_deg, second.elevations_deg, atol=1e-6)


def test_rings_are_taken_for_beams_whatever_their_numbers() -> None:
    points = drive("vlp_16", clouds=2)
    beams = find_beams(points)
    assert beams is not None
    names = np.random.default_rng(2).permutation(100)[:16]
    found = find_beams(points, names[assign_beams(points, beams)])
    assert found is not None
    np.testing.assert_allclose(found.elevations_deg, np.arange(15.0, -16.0, -2.0), atol=0.01)


def test_points_belong_to_the_beam_whose_cone_they_are_on() -> None:
    frame = Drive("hdl_64e", 3, 1).frame(0)
    beams = find_beams(drive("hdl_64e"))
    assert beams is not None
    owners = assign_beams(frame.points, beams)
    assert np.mean(owners >= 0) > 0.98
    # A simulated cloud is beam after beam.
    assert np.mean(np.diff(owners[owners >= 0]) >= 0) > 0.999


@pytest.mark.parametrize("kind", ["gaussian", "turned", "few", "none"])
def test_points_on_no_cones_have_no_beams(kind: str) -> None:
    rng = np.random.default_rng(0)
    points = drive("vlp_16", clouds=2)
    if kind == "gaussian":
        points = rng.normal(0.0, 10.0, (50_000, 4)).astype(np.float32)
    elif kind == "turned":
        Transform.from_pose(0.0, 0.0, 1.5, 0.3, 0.5, 0.0).move(points)
    else:
        points = points[: 20 if kind == "few" else 0]
    assert find_beams(points) is None


@needs_shared_data
def test_a_kitti360_drive_shows_the_64_beams_of_its_sensor() -> None:
    frames = find_frames(SHARED / "data" / "kitti360_sequence")[:6]
    beams = find_beams(np.concatenate([frame.read_points() for frame in frames]))
    assert beams is not None and len(beams.points) == 64
    assert beams.elevations_deg[0] == pytest.approx(2.0, abs=0.2)
    assert beams.elevations_deg[-1] == pytest.approx(-24.9, abs=0.4)
    # Its two optical centres, as a drive of one kind of street tells them.
    assert beams.heights[0] == pytest.approx(0.2, abs=0.02) and beams.heights[-1] == pytest.approx(0.12, abs=0.02)


def test_the_kernel_counts_as_its_slow_twin() -> None:
    rng = np.random.default_rng(4)
    ranges, z, counts = rng.uniform(2, 50, 500), rng.normal(0, 3, 500), np.zeros(8900, np.int32)
    count_elevations(ranges, z, 0.12, -20.0, 10.0, counts)
    slow = np.zeros(8900, np.int32)
    for r, up in zip(ranges, z, strict=True):
        elevation = math.degrees(math.atan2(up - 0.12, r))
        if -20.0 <= elevation < 10.0:
            slow[int((elevation + 89.0) / 0.02)] += 1
    np.testing.assert_array_equal(counts, slow)
    assert counts.sum() > 100
