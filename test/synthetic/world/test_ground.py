# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground: rings where geometry puts them, slopes, kerbs, and what stands on it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.synthetic.lidar.groundcast import cast_ground
from pointpillars_ov_ros.synthetic.lidar.raycast import GROUND, cast
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep, make_sweep
from pointpillars_ov_ros.synthetic.primitives import PRIMITIVE
from pointpillars_ov_ros.synthetic.world.ground import Ground, View, height_at, heights_at
from pointpillars_ov_ros.synthetic.world.road import draw_road
from pointpillars_ov_ros.synthetic.world.styles import CITY, RESIDENTIAL
from test.synthetic.scenes import ELEVATIONS, HEIGHT, flat_ground, ideal_sensor, look

LEVEL = View(0.0, 0.0, HEIGHT, 1.0, 0.0, 0.0, 0.0)


def ground_hits(ground: Ground, view: View = LEVEL, **changes: Any) -> tuple[Sweep, np.ndarray]:
    """Return a sweep, and depths (beams, columns) of what rays meet on `ground`, infinite elsewhere."""
    sensor = ideal_sensor(**changes)
    sweep = make_sweep(sensor, 0.0)
    hits = cast(np.empty(0, PRIMITIVE), np.zeros((0, 2)), sweep, sensor.max_range, np.uint64(1))
    cast_ground(ground, view, sweep, sensor.max_range, hits)
    depths = hits.depth.reshape(sweep.directions.shape[:2])
    assert ((hits.primitive == GROUND).reshape(depths.shape) == np.isfinite(depths)).all()
    return sweep, depths


def test_every_ring_on_level_ground_is_where_its_beam_meets_it() -> None:
    _, depths = ground_hits(flat_ground())
    for elevation, ring in zip(ELEVATIONS, depths, strict=True):
        expected = HEIGHT / math.sin(math.radians(-elevation)) if elevation < 0 else math.inf
        np.testing.assert_allclose(ring, expected if expected < 80.0 else math.inf, rtol=1e-6)


def test_the_rings_of_a_frame_are_those_of_its_beams() -> None:
    points = look([]).points
    radii = np.unique(np.hypot(points[:, 0], points[:, 1]).round(3))
    expected = [HEIGHT / math.tan(math.radians(-e)) for e in ELEVATIONS if e < 0]
    np.testing.assert_allclose(radii, sorted(r for r in expected if r < 80.0), atol=2e-3)
    assert len(points) == 360 * len(radii)


def test_on_a_slope_all_points_lie_in_its_plane() -> None:
    sweep, depths = ground_hits(flat_ground(slope=0.05), azimuth_step_deg=0.2)
    met = np.isfinite(depths)
    x, z = (depths[met] * sweep.directions[..., axis][met] for axis in (0, 2))
    assert met.sum() > 2000
    np.testing.assert_allclose(z, 0.05 * x - HEIGHT, atol=4e-3)


def test_a_vehicle_on_a_slope_sees_level_ground() -> None:
    _, level = ground_hits(flat_ground())
    _, sloped = ground_hits(flat_ground(slope=0.05), LEVEL._replace(pitch=0.05))
    np.testing.assert_allclose(sloped, level, rtol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_points_on_a_street_lie_on_it(seed: int) -> None:
    road = draw_road(seed, CITY)
    ground = road.ground(-90.0, 90.0)
    sweep, depths = ground_hits(ground, LEVEL, azimuth_step_deg=0.2)
    met = np.isfinite(depths) & (depths < 40.0)
    x, y, z = (depths[met] * sweep.directions[..., axis][met] for axis in range(3))
    above = z + HEIGHT - heights_at(ground, x, y)
    # Beams are followed until they are 2 mm from the ground; at a kerb's edge a bit of its height is left.
    assert np.percentile(abs(above), 98) < 0.004
    assert abs(above).max() < road.kerb


def test_a_kerb_is_a_step_between_road_and_pavement() -> None:
    road = dataclasses.replace(draw_road(2, RESIDENTIAL), kerb=0.12)
    ground, kerb = road.ground(-5.0, 5.0), road.kerb_offset(1)
    _, y, heading = road.place(0.0, 0.0)
    before, behind = (
        height_at(ground.by_x, ground.by_offset, ground.bumps, ground.grid, 0.0, y + offset / math.cos(heading))
        for offset in (kerb - 0.1, kerb + 0.1)
    )
    assert behind - before == pytest.approx(0.12, abs=0.02)
