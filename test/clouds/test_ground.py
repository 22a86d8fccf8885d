# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of the ground: simulated streets at several heights, real ones, and scenes in which it is unclear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.ground import GroundWatch, find_ground
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.synthetic import Drive, load_sensor
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from test.shared_data import KITTI, SHARED, needs_shared_data

FRAMES = sorted(path.stem for path in (KITTI / "training" / "velodyne").glob("*.bin"))


def cloud(z: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.column_stack([x, y, z, np.zeros(len(x))]).astype(np.float32)


def plane(height: float, slope: float = 0.0, noise: float = 0.02, count: int = 20_000) -> np.ndarray:
    """Return ground `height` below the sensor that rises by `slope` (m per m) ahead."""
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 25, count), rng.uniform(-10, 10, count)
    return cloud(slope * x - height + rng.normal(0, noise, count), x, y)


@pytest.mark.parametrize("height", [0.4, 1.0, 1.73, 2.6])
@pytest.mark.parametrize("sensor", ["hdl_64e", "vlp_16"])
@pytest.mark.parametrize("seed", range(2))
def test_simulated_streets_are_as_far_below_as_the_sensor_is_mounted(sensor: str, height: float, seed: int) -> None:
    mounted = replace(load_sensor(sensor), mounting_height=height, mount=MountModel())
    found = find_ground(Drive(mounted, seed, 1).frame(0).points)
    # A few rings of a sparse lidar do not always suffice; a wrong answer is never given.
    assert found is not None or (sensor, height) == ("vlp_16", 2.6)
    assert found is None or found == pytest.approx(-height, abs=0.1)


@needs_shared_data
@pytest.mark.parametrize("name", FRAMES)
def test_the_ground_of_kitti_is_where_its_car_carries_the_sensor(name: str) -> None:
    (frame,) = (frame for frame in find_frames(KITTI / "training" / "velodyne") if frame.name == name)
    assert find_ground(frame.read_points()) == pytest.approx(-1.73, abs=0.1)


@needs_shared_data
def test_a_drive_of_kitti360_agrees_with_itself_after_a_few_clouds() -> None:
    watch, found = GroundWatch(), None
    frames = iter(find_frames(SHARED / "data" / "kitti360_sequence")[:10])
    while not watch.is_over:
        found = watch.look(next(frames).read_points())
    assert found == pytest.approx(-1.73, abs=0.1)


@pytest.mark.parametrize("height", [0.3, 1.73, 4.0])
@pytest.mark.parametrize("slope", [0.0, 0.03, -0.03])
def test_a_plane_is_found_under_the_sensor_also_where_it_is_a_little_tilted(height: float, slope: float) -> None:
    assert find_ground(plane(height, slope)) == pytest.approx(-height, abs=0.05)


def test_echoes_from_underground_do_not_lower_it() -> None:
    points = plane(1.73)
    points[::50, 2] -= 3.0
    assert find_ground(points) == pytest.approx(-1.73, abs=0.05)


def test_a_platform_over_the_ground_is_not_taken_for_it() -> None:
    points = plane(1.73)
    points[(points[:, 0] > 5) & (points[:, 0] < 18), 2] += 1.0
    assert find_ground(points) in (None, pytest.approx(-1.73, abs=0.05))


@pytest.mark.parametrize("half_width", [7.0, 8.0])
def test_a_platform_wider_than_the_ground_beside_it_is_not_taken_for_it(half_width: float) -> None:
    points = plane(1.73)
    points[np.abs(points[:, 1]) < half_width, 2] += 1.0
    assert find_ground(points) is None


RNG = np.random.default_rng(5)
ODD = {
    "nothing": np.zeros((0, 4), np.float32),
    "a few points": plane(1.73, count=20),
    "a hill": plane(1.73, slope=0.15),
    "a road that bends upward": plane(1.73) + np.float32(0.012) * plane(1.73)[:, :1] ** 2 * np.float32([0, 0, 1, 0]),
    "a wall ahead": cloud(RNG.uniform(-2, 4, 9000), RNG.normal(8, 0.02, 9000), RNG.uniform(-10, 10, 9000)),
    "a thicket": cloud(RNG.uniform(-2, 4, 9000), RNG.uniform(0, 25, 9000), RNG.uniform(-10, 10, 9000)),
    "stairs": cloud(-1.7 + 0.4 * np.floor(plane(1.73)[:, 0] / 2), plane(1.73)[:, 0], plane(1.73)[:, 1]),
    "behind only": plane(1.73) * np.float32([-1, 1, 1, 1]),
    "water": plane(1.73, noise=0.8),
}


@pytest.mark.parametrize("scene", ODD)
def test_of_an_odd_scene_nothing_is_said_rather_than_something_wrong(scene: str) -> None:
    assert find_ground(ODD[scene]) is None


def test_the_cloud_is_left_as_it_was() -> None:
    points = plane(1.73)
    before = points.copy()
    find_ground(points)
    np.testing.assert_array_equal(points, before)


def test_an_answer_is_given_once_when_five_clouds_agree() -> None:
    watch = GroundWatch()
    heights = [1.7, 1.2, 0.7, 1.0, 1.02, 1.04, 0.98, 0.96]
    answers = [watch.look(plane(height)) for height in heights]
    assert answers[:-1] == [None] * 7
    assert answers[-1] == pytest.approx(-1.0, abs=0.03)
    assert watch.is_over


def test_clouds_without_a_ground_between_do_not_count() -> None:
    watch = GroundWatch()
    answers = [watch.look(points) for _ in range(5) for points in (plane(1.0), ODD["a hill"])]
    assert [answer is not None for answer in answers] == [False] * 8 + [True, False]


def test_it_gives_up_after_a_hundred_clouds() -> None:
    watch = GroundWatch()
    looks = 0
    while not watch.is_over:
        assert watch.look(ODD["nothing"]) is None
        looks += 1
    assert looks == 100


@pytest.mark.filterwarnings("error")
def test_points_beyond_all_bounds_are_no_ground() -> None:
    seen, wild = plane(1.73), np.full((1000, 4), 3e38, np.float32)
    wild[::2, :2] *= -1.0
    assert find_ground(np.concatenate((wild, seen))) == find_ground(seen) == pytest.approx(-1.73, abs=0.1)
