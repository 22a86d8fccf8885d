# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors known from their clouds alone: simulated against what they are, real ones, and places that tell little."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.sensor_estimate import SensorEstimate, estimate_sensor
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.synthetic import Drive, Sensor, load_sensor
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from test.clouds.rooms import room
from test.shared_data import SHARED, needs_shared_data

CLOUDS = 10


def drive(sensor: Sensor, seed: int, clouds: int = CLOUDS) -> list[np.ndarray]:
    return [frame.points for frame in Drive(sensor, seed, clouds, 1.0)]


UNKNOWN = {
    "vlp": replace(load_sensor("vlp_16"), mounting_height=1.55, mount=MountModel(pitch_deg=-1.0, roll_deg=0.7)),
    "hdl": replace(load_sensor("hdl_64e"), mounting_height=1.85, mount=MountModel(pitch_deg=3.0, roll_deg=-1.5)),
}


@pytest.mark.parametrize("seed", [5, 8])
@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_sensor_is_found_as_it_is(name: str, seed: int) -> None:
    truth = UNKNOWN[name]
    found = estimate_sensor(drive(truth, seed))
    assert found.troubles == () and found.clouds == CLOUDS
    np.testing.assert_allclose(found.elevations_deg, np.degrees(truth.elevations), atol=0.2)
    assert found.azimuth_step_deg == pytest.approx(truth.azimuth_step_deg, rel=0.01)
    assert found.height == pytest.approx(truth.mounting_height, abs=0.03)
    assert found.pitch_deg == pytest.approx(truth.mount.pitch_deg, abs=0.2)
    assert found.roll_deg == pytest.approx(truth.mount.roll_deg, abs=0.2)
    assert found.max_range == pytest.approx(truth.max_range, rel=0.1)
    assert found.intensity.step == pytest.approx(truth.intensity.step, rel=0.01)


def test_steps_rounded_by_an_encoder_count_with_their_mean() -> None:
    truth = load_sensor("hdl_64e")
    grain = math.radians(0.09)
    clouds = []
    for points in drive(truth, 5, 5):
        rounded, reach = points.copy(), np.hypot(points[:, 0], points[:, 1])
        azimuths = np.round(np.arctan2(points[:, 1], points[:, 0]).astype(np.float64) / grain) * grain
        rounded[:, 0], rounded[:, 1] = reach * np.cos(azimuths), reach * np.sin(azimuths)
        clouds.append(rounded)
    found = estimate_sensor(clouds)
    assert found.azimuth_step_deg == pytest.approx(truth.azimuth_step_deg, rel=0.02)


def test_fewer_rays_come_back_from_afar_of_a_weaker_sensor() -> None:
    sensor = load_sensor("hdl_64e")
    shares = []
    for dark_range in (60.0, 125.0):
        found = estimate_sensor(drive(replace(sensor, dropout=replace(sensor.dropout, dark_range=dark_range)), 5, 5))
        by_range = {one.range_m: one.share for one in found.returns}
        assert by_range[12.5] > 0.8
        shares.append(by_range[32.5])
    assert shares[0] < shares[1] - 0.1


@needs_shared_data
def test_a_real_drive_shows_its_sensor() -> None:
    frames = find_frames(SHARED / "data" / "kitti360_sequence")
    found = estimate_sensor([frame.read_points() for frame in frames[::2]])
    assert found.troubles == () and len(found.elevations_deg) == 64
    assert found.height == pytest.approx(1.77, abs=0.1)
    assert found.azimuth_step_deg == pytest.approx(0.167, abs=0.003)


def troubles_of(found: SensorEstimate) -> str:
    return " / ".join(found.troubles)


def test_a_room_is_said_to_be_indoors() -> None:
    found = estimate_sensor([room(seed) for seed in range(5)])
    assert "indoors" in troubles_of(found)
    np.testing.assert_allclose(found.elevations_deg, np.arange(15.0, -16.0, -2.0), atol=0.05)


def test_a_drive_without_any_ground_has_no_height() -> None:
    clouds = [cloud[cloud[:, 2] > -1.0] for cloud in drive(load_sensor("vlp_16"), 5, 4)]
    found = estimate_sensor(clouds)
    assert found.height is None and found.pitch_deg is None and found.returns == ()
    assert "no ground was found in most of 4 clouds" in troubles_of(found)
    assert len(found.elevations_deg) >= 12


def test_noise_is_no_spinning_sensor() -> None:
    rng = np.random.default_rng(0)
    found = estimate_sensor([rng.normal(0.0, 10.0, (20_000, 4)).astype(np.float32)])
    assert found.beams is None and found.elevations_deg == () and "not a spinning LiDAR" in troubles_of(found)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("clouds", [[], [np.zeros((0, 4), np.float32)], [np.full((9, 4), np.nan, np.float32)]])
def test_nothing_tells_nothing(clouds: list[np.ndarray]) -> None:
    assert estimate_sensor(clouds).troubles == ("the clouds contain no valid point",)
