# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Primitives and the depth buffer against their slow twins, and against geometry that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.synthetic.lidar.intersection import intersect
from pointpillars_ov_ros.synthetic.lidar.raycast import NOTHING, cast
from pointpillars_ov_ros.synthetic.lidar.sweep import make_sweep
from pointpillars_ov_ros.synthetic.primitives import (
    PRIMITIVE,
    Material,
    Part,
    PrimitiveArray,
    Surface,
    assemble,
    box,
    cylinder,
    ellipsoid,
    frustum,
)
from pointpillars_ov_ros.synthetic.world.scene import Placement
from test.reference import raycast as slow
from test.synthetic.scenes import DULL, HEIGHT, cuboid, ideal_sensor, look, rays_of, scene_of

KEY = np.uint64(7)


def span(rng: np.random.Generator) -> tuple[float, float]:
    low, high = sorted(rng.uniform(-1.5, 1.5, 2))
    return float(low), float(high) + 0.1


def random_part(rng: np.random.Generator, kind: str) -> Part:
    point = lambda: tuple(float(value) for value in rng.uniform(-1.0, 1.0, 3))  # noqa: E731
    if kind == "frustum":
        return frustum((span(rng), span(rng)), (span(rng), span(rng)), span(rng), DULL)
    if kind == "ellipsoid":
        return ellipsoid(point(), tuple(float(value) for value in rng.uniform(0.2, 1.5, 3)), DULL)  # type: ignore[arg-type]
    return cylinder(point(), point(), float(rng.uniform(0.1, 0.8)), DULL)


def around(primitives: PrimitiveArray, rng: np.random.Generator, low: float, high: float) -> PrimitiveArray:
    """Put `primitives` anywhere around the origin, turned anyhow."""
    placed = primitives.copy()
    azimuth, distance, yaw = rng.uniform(0, 2 * math.pi), rng.uniform(low, high), rng.uniform(0, 2 * math.pi)
    placed["x"], placed["y"] = distance * math.cos(azimuth), distance * math.sin(azimuth)
    placed["z"], placed["cos"], placed["sin"] = rng.uniform(-2, 1), math.cos(yaw), math.sin(yaw)
    return placed


@pytest.mark.parametrize("kind", ["frustum", "ellipsoid", "cylinder"])
def test_crossings_are_those_of_the_slow_twin(kind: str) -> None:
    rng = np.random.default_rng(3)
    met = 0
    for _ in range(1500):
        primitive = assemble([random_part(rng, kind)]).primitives[0]
        origin = rng.uniform(-3, 3, 3)
        direction = rng.uniform(-1, 1, 3) - origin if rng.random() < 0.7 else rng.normal(size=3)
        if rng.random() < 0.1:
            # Along an axis, where divisions by 0 lurk.
            direction = np.eye(3)[rng.integers(3)] * rng.choice([-1.0, 1.0])
        direction /= np.linalg.norm(direction)
        entry, leave, cosine = intersect(primitive, *origin, *direction)
        expected = slow.crossing(primitive, origin, direction)
        if expected == slow.NONE or not math.isfinite(entry):
            assert entry == math.inf or leave - entry < 1e-6
            assert expected == slow.NONE or expected[1] - expected[0] < 1e-6
            continue
        met += 1
        assert (entry, leave) == pytest.approx(expected, abs=1e-7)
        assert 0.0 <= cosine <= 1.0 + 1e-9
    assert met > 300


def test_every_ray_ends_where_the_slow_twin_says() -> None:
    rng = np.random.default_rng(5)
    kinds = rng.choice(["frustum", "ellipsoid", "cylinder"], 30)
    parts = [around(assemble([random_part(rng, kind)]).primitives, rng, 3.0, 27.0) for kind in kinds]
    primitives = np.concatenate(parts).astype(PRIMITIVE)
    sweep = make_sweep(ideal_sensor(azimuth_step_deg=5.0), 0.01)
    hits = cast(primitives, np.zeros((0, 2)), sweep, 25.0, KEY)
    assert (hits.primitive >= 0).sum() > 60
    for ray, (origin, direction) in enumerate(rays_of(sweep)):
        depth, index = slow.nearest(primitives, origin, direction, 25.0)
        assert hits.primitive[ray] == index
        assert hits.depth[ray] == pytest.approx(depth, abs=1e-7)
    assert NOTHING == -1


def test_a_wall_ahead_is_as_far_away_as_it_is() -> None:
    frame = look([Placement(cuboid(1.0, 400.0, 30.0), 10.5, 0.0, 0.0, 0.0)])
    x, y, z, _ = frame.points.T
    ahead = (abs(np.arctan2(y, x)) < 1.0) & (z > -HEIGHT + 0.01)
    assert ahead.sum() > 1000
    np.testing.assert_allclose(x[ahead], 10.0, atol=1e-5)


def test_a_box_is_seen_on_the_faces_that_look_at_the_sensor() -> None:
    frame = look([Placement(cuboid(4.0, 2.0, 0.8), 8.0, 5.0, 0.0, 0.0, "Car", 3)])
    x, y, z = frame.points[frame.identities == 3, :3].T
    on_rear, on_right, on_top = abs(x - 6.0) < 1e-4, abs(y - 4.0) < 1e-4, abs(z - (0.8 - HEIGHT)) < 1e-4
    assert (on_rear | on_right | on_top).all()
    assert min(on_rear.sum(), on_right.sum(), on_top.sum()) > 5


def test_a_turned_box_keeps_its_distance() -> None:
    frame = look([Placement(cuboid(2.0, 2.0, 3.0), 10.0, 0.0, 0.0, math.pi / 4, "Car", 1)])
    assert frame.points[frame.identities == 1, 0].min() == pytest.approx(10.0 - math.sqrt(2.0), abs=0.2)


def share_through(material: Material, thickness: float = 0.2) -> float:
    """Return the share of the rays that a wall of `material` ahead lets through to another one behind it."""
    wall, behind = cuboid(thickness, 40.0, 20.0, material), cuboid(0.2, 200.0, 40.0)
    scene = scene_of([Placement(wall, 10.0, 0.0, -5.0, 0.0), Placement(behind, 20.0, 0.0, -5.0, 0.0)])
    sweep = make_sweep(ideal_sensor(), 0.0)
    x = cast(scene.primitives, scene.velocities, sweep, 80.0, KEY).depth.reshape(16, -1) * sweep.directions[..., 0]
    ahead = x[:, np.arctan2(sweep.directions[0, :, 1], sweep.directions[0, :, 0]) ** 2 < 0.7**2]
    return float((ahead > 15.0).mean())


def test_glass_and_leaves_let_their_share_through() -> None:
    assert share_through(DULL) == 0.0
    assert share_through(Material(0.1, Surface.POROUS, 0.8)) == pytest.approx(0.8, abs=0.04)
    # exp(-0.5 per m * 2 m), and a little less for those that cross at an angle.
    assert share_through(Material(0.3, Surface.VOLUME, 0.5), 2.0) == pytest.approx(math.exp(-1.08), abs=0.05)
    assert share_through(Material(0.3, Surface.GRID, 0.4, 1.0)) == pytest.approx(0.4, abs=0.1)


def test_paint_swallows_its_share_but_nothing_is_seen_through_it() -> None:
    glossy = Material(0.4, Surface.GLOSSY, 0.5)
    assert share_through(glossy) == 0.0
    dull, shiny = (look([Placement(cuboid(1.0, 90.0, 9.0, m), 9.0, 0.0, 0.0, 0.0, "Car", 1)]) for m in (DULL, glossy))
    counts = [
        np.histogram(points[:, 0] / np.linalg.norm(points[:, :3], axis=1), (0.2, 0.45, 0.55, 0.97, 1.0))[0]
        for points in (frame.points[frame.identities == 1] for frame in (dull, shiny))
    ]
    lost = 1.0 - counts[1] / counts[0]
    # Cosines of 0.2 … 0.45, about 0.5, and nearly 1.
    assert lost[[0, 1, 3]] == pytest.approx([0.66, 0.5, 0.015], abs=0.1)
    assert shiny.labels.visible[0] == dull.labels.visible[0] == 1.0


def test_nothing_is_seen_beyond_the_range() -> None:
    box_far = Placement(assemble([box((-1, 1), (-30, 30), (0, 30), DULL)]), 60.0, 0.0, 0.0, 0.0, "Car", 1)
    assert (look([box_far]).identities == 1).any()
    assert not (look([box_far], ideal_sensor(max_range=50.0)).identities == 1).any()
