# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small scenes on level ground, and sensors without faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pointpillars_ov_ros.synthetic.frame import SimulatedFrame, render
from pointpillars_ov_ros.synthetic.lidar.sensor import BeamBlock, DropoutModel, EdgeModel, IntensityModel, Sensor
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep, make_sweep
from pointpillars_ov_ros.synthetic.primitives import Material, Part, Shape, assemble, box
from pointpillars_ov_ros.synthetic.world.ground import BUMPS, Grid, Ground, View
from pointpillars_ov_ros.synthetic.world.scene import Placement, Scene, make_group, make_scene

HEIGHT = 1.7
"""Height of the sensor above the ground (m)."""
ELEVATIONS = tuple(float(k) for k in range(10, -21, -2))
DULL = Material(0.4)


def ideal_sensor(**changes: Any) -> Sensor:
    """Return a sensor of 16 beams that measures exactly and loses nothing."""
    values: dict[str, Any] = {
        "name": "ideal",
        "beams": len(ELEVATIONS),
        "blocks": (BeamBlock(ELEVATIONS),),
        "azimuth_step_deg": 1.0,
        "spin_rate_hz": 10.0,
        "min_range": 0.5,
        "max_range": 80.0,
        "mounting_height": HEIGHT,
        "range_noise": 0.0,
        "dropout": DropoutModel(1e4, 0.0),
        "intensity": IntensityModel(1.0, 0.0, 1e4, 0.0, 0.0, 0.001),
        "edges": EdgeModel(0.0, 0.0),
    }
    return Sensor(**{**values, **changes})


def cuboid(length: float, width: float, height: float, material: Material = DULL) -> Shape:
    """Return a box that stands on the ground, centred above its place."""
    return assemble([cuboid_part(length, width, height, material)])


def cuboid_part(length: float, width: float, height: float, material: Material = DULL) -> Part:
    """Return the same as a part."""
    return box((-length / 2, length / 2), (-width / 2, width / 2), (0.0, height), material)


def flat_ground(height: float = 0.0, slope: float = 0.0) -> Ground:
    """Return ground of one reflectivity at `height` (m), which rises by `slope` (m per m) along x."""
    by_x = np.array([[0.0, 1.0, height - 500.0 * slope, 0.0], [0.0, 1.0, height + 500.0 * slope, 0.0]])
    by_offset = np.array([[0.0, 0.0, 0.25, 0.25, 0.0]])
    return Ground(by_x, by_offset, np.zeros((BUMPS, BUMPS)), np.zeros(0), Grid(-500.0, 1000.0, 0.0, 1.0))


def scene_of(placements: Sequence[Placement], reach: float = 80.0) -> Scene:
    """Return a scene around the origin, seen from HEIGHT above the ground."""
    view = View(0.0, 0.0, HEIGHT, 1.0, 0.0, 0.0, 0.0)
    return make_scene(make_group(placements), flat_ground(), view, reach)


def look(placements: Sequence[Placement], sensor: Sensor | None = None, key: int = 1) -> SimulatedFrame:
    """Return the view of a scene by a sensor, by default the ideal one."""
    sensor = sensor or ideal_sensor()
    return render(scene_of(placements, sensor.max_range), make_sweep(sensor, 0.0), sensor, 1, key)


def rays_of(sweep: Sweep) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return origin and direction of every ray, in their order."""
    return [
        (np.array([*sweep.shifts[column], sweep.heights[beam]]), sweep.directions[beam, column])
        for beam in range(sweep.directions.shape[0])
        for column in range(sweep.directions.shape[1])
    ]
