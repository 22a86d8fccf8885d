# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of hits to points: range noise, loss, mixed returns, intensity, range limits, the vehicle itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.synthetic.lidar.sensor import BlindSector, DropoutModel, EdgeModel, IntensityModel
from pointpillars_ov_ros.synthetic.primitives import Material, Surface
from pointpillars_ov_ros.synthetic.randomness import MAX_NORMAL, RandomStream, make_key, ray_normal, ray_unit
from pointpillars_ov_ros.synthetic.world.scene import Placement
from test.synthetic.scenes import DULL, HEIGHT, cuboid, ideal_sensor, look

WALL = Placement(cuboid(1.0, 400.0, 60.0), 10.5, 0.0, -20.0, 0.0, "Car", 1)
"""10 m ahead."""


def ranges(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, :3], axis=1)


def in_gap(points: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return which points ahead lie at low … high (m) and above the ground."""
    x, y, z, _ = points.T
    return (abs(np.arctan2(y, x)) < 0.2) & (x > low) & (x < high) & (z > 0.1 - HEIGHT)


def test_range_noise_has_its_deviation_along_the_ray() -> None:
    exact, noisy = look([WALL]), look([WALL], ideal_sensor(range_noise=0.05))
    error = ranges(noisy.points) - ranges(exact.points)
    assert len(error) > 3000
    assert error.mean() == pytest.approx(0.0, abs=0.004)
    assert error.std() == pytest.approx(0.05, rel=0.05)
    assert abs(error).max() < 0.05 * MAX_NORMAL + 1e-4
    turned = np.cross(noisy.points[:, :3], exact.points[:, :3]) / ranges(exact.points)[:, None] ** 2
    assert abs(turned).max() < 1e-4


def test_noise_is_new_in_every_frame_and_the_same_for_the_same_key() -> None:
    sensor = ideal_sensor(range_noise=0.05)
    first, again, other = (look([WALL], sensor, key).points for key in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert abs(ranges(first) - ranges(other)).max() > 0.05


def test_the_share_that_gets_lost_anyway_is_lost() -> None:
    lossy = look([WALL], ideal_sensor(dropout=DropoutModel(1e4, 0.2)))
    assert len(lossy.points) == pytest.approx(0.8 * len(look([WALL]).points), rel=0.03)


def test_half_of_the_rays_return_from_a_dark_surface_at_the_range_that_says_so() -> None:
    # A cylinder of walls would be head-on everywhere; of a plane, the middle is.
    dark = [Placement(cuboid(1.0, 12.0, 60.0, Material(0.1)), 40.5, 0.0, -20.0, 0.0, "Car", 1)]
    sensor = ideal_sensor(azimuth_step_deg=0.1)
    whole = look(dark, sensor).labels.points[0]
    lossy = look(dark, ideal_sensor(azimuth_step_deg=0.1, dropout=DropoutModel(40.0, 0.0))).labels.points[0]
    assert whole > 1000
    assert lossy / whole == pytest.approx(0.5, abs=0.05)


def test_at_an_edge_some_returns_lie_between_the_two_surfaces() -> None:
    post = Placement(cuboid(0.3, 0.6, 20.0), 9.0, 0.0, -10.0, 0.0, "Car", 2)
    assert not in_gap(look([WALL, post]).points, 9.17, 9.98).any()
    frame = look([WALL, post], ideal_sensor(edges=EdgeModel(1.0, 2.0)))
    between = in_gap(frame.points, 9.17, 9.98)
    # One on each side of the post in each beam, less those that fall near either surface.
    assert 10 <= between.sum() <= 32
    assert (frame.identities[between] == -1).all()


def test_edges_farther_apart_than_the_sensor_confuses_stay_apart() -> None:
    post = Placement(cuboid(0.3, 0.6, 20.0), 6.0, 0.0, -10.0, 0.0)
    frame = look([WALL, post], ideal_sensor(edges=EdgeModel(1.0, 2.0)))
    assert not in_gap(frame.points, 6.17, 9.98).any()


def test_intensity_follows_reflectivity_incidence_and_range() -> None:
    model = IntensityModel(0.8, 1.0, 20.0, 0.0, 0.0, 0.001)
    x, y, z, intensity = look([WALL], ideal_sensor(intensity=model)).points.T
    wall = abs(x - 10.0) < 1e-4
    distance = np.sqrt(x**2 + y**2 + z**2)[wall]
    expected = 0.8 * DULL.reflectivity * (10.0 / distance) / (1.0 + (distance / 20.0) ** 2)
    np.testing.assert_allclose(intensity[wall], expected, atol=0.0006)


def test_intensity_is_in_steps_between_0_and_1() -> None:
    model = IntensityModel(3.0, 0.0, 1e4, 0.5, 0.5, 0.05)
    intensity = look([WALL], ideal_sensor(intensity=model)).points[:, 3]
    assert intensity.min() >= 0.0
    assert intensity.max() == 1.0
    np.testing.assert_allclose(intensity / 0.05, np.round(intensity / 0.05), atol=1e-4)


def test_what_is_dim_is_reported_as_0() -> None:
    # 0.4 at the wall, less 0.1 for each metre beyond 11 m, nothing left below 0.2.
    model = IntensityModel(1.0, 0.0, 1e4, 0.0, 0.0, 0.001, dark_from=11.0, dark_per_metre=0.1, floor=0.2)
    points = look([WALL], ideal_sensor(intensity=model)).points
    wall = points[abs(points[:, 0] - 10.0) < 1e-4]
    left = 0.4 - 0.1 * np.maximum(ranges(wall) - 11.0, 0.0)
    np.testing.assert_allclose(wall[:, 3], np.where(left < 0.2, 0.0, left), atol=0.002)
    assert (wall[:, 3] == 0.0).any() and (wall[:, 3] > 0.39).any()


def test_a_share_of_the_returns_is_0_and_another_one_of_paint() -> None:
    paint = Material(0.4, Surface.GLOSSY, 0.0, 0.6)
    painted = Placement(cuboid(1.0, 400.0, 60.0, paint), 10.5, 0.0, -20.0, 0.0, "Car", 1)
    for wall, zeros, expected in ((WALL, 0.2, 0.2), (painted, 0.2, 0.6), (painted, 0.0, 0.0)):
        model = IntensityModel(1.0, 0.0, 1e4, 0.0, 0.0, 0.001, zeros=zeros)
        points = look([wall], ideal_sensor(intensity=model)).points
        hit = points[abs(points[:, 0] - 10.0) < 1e-4]
        assert len(hit) > 500
        assert (hit[:, 3] == 0.0).mean() == pytest.approx(expected, abs=0.06)


def test_what_is_too_near_or_hidden_by_the_vehicle_is_not_reported() -> None:
    near = look([WALL], ideal_sensor(min_range=11.0)).points
    assert ranges(near).min() >= 11.0
    blind = look([WALL], ideal_sensor(blind=(BlindSector((-20.0, 20.0), -5.0),))).points
    azimuth = np.degrees(np.arctan2(blind[:, 1], blind[:, 0]))
    elevation = np.degrees(np.arcsin(blind[:, 2] / ranges(blind)))
    assert not ((abs(azimuth) < 19.0) & (elevation < -5.5)).any()
    assert ((abs(azimuth) < 19.0) & (elevation > -4.5)).any()
    assert ((abs(azimuth) > 21.0) & (elevation < -5.5)).any()


def test_random_numbers_are_spread_as_they_should_be() -> None:
    key = np.uint64(make_key(5))
    units = np.array([ray_unit(key, ray, 3) for ray in range(20000)])
    normals = np.array([ray_normal(key, ray, -4) for ray in range(20000)])
    assert 0.0 <= units.min() < units.max() < 1.0
    np.testing.assert_allclose(np.histogram(units, 10, (0, 1))[0] / 2000, 1.0, atol=0.08)
    assert (normals.mean(), normals.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    assert abs(np.corrcoef(units[:-1], units[1:])[0, 1]) < 0.02
    dice = RandomStream(1, 2)
    drawn = np.array([dice.unit() for _ in range(5000)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)
    assert RandomStream(1, 2).unit() == drawn[0] != RandomStream(2, 1).unit()
    assert [RandomStream(7).choose("ab", (0.0, 1.0)) for _ in range(3)] == ["b"] * 3
    assert math.isfinite(RandomStream(7).normal(0.0, 1.0))
