# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One revolution of a sensor in a scene: points, their objects, and labels."""

from __future__ import annotations

from typing import NamedTuple

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.synthetic.labels import Labels, make_labels
from pointpillars_ov_ros.synthetic.lidar.groundcast import cast_ground
from pointpillars_ov_ros.synthetic.lidar.raycast import cast
from pointpillars_ov_ros.synthetic.lidar.returns import collect, make_receiver
from pointpillars_ov_ros.synthetic.lidar.sensor import Sensor
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep
from pointpillars_ov_ros.synthetic.randomness import make_key
from pointpillars_ov_ros.synthetic.world.ground import View
from pointpillars_ov_ros.synthetic.world.scene import Scene


class SimulatedFrame(NamedTuple):
    """Output of a sensor for one revolution, and its ground truth; lidar frame (x forward, y left, z up)."""

    stamp: float
    """Time since the start of the drive (s)."""
    points: FloatArray
    """(N, 4) float32, x y z (m), intensity 0..1; beam after beam, highest first."""
    identities: IntArray
    """(N,), identity of each point's object, as in `labels`; -1 for the background."""
    labels: Labels
    view: View
    """Pose of the lidar frame in the world."""


def render(scene: Scene, sweep: Sweep, sensor: Sensor, device: int, key: int, stamp: float = 0.0) -> SimulatedFrame:
    """Simulate one revolution of the sensor.

    `device` is the seed of the device's permanent faults (gain of its beams), `key` that of the frame's noise.
    """
    passing, noise = make_key(key, 1), make_key(key, 2)
    hits = cast(scene.primitives, scene.velocities, sweep, sensor.max_range, passing)
    cast_ground(scene.ground, scene.view, sweep, sensor.max_range, hits)
    receiver = make_receiver(sensor, make_key(device))
    points, owners = collect(hits, scene.primitives, scene.ground, scene.view, sweep, receiver, noise)
    labels, identities = make_labels(scene, hits, owners)
    return SimulatedFrame(stamp, points, identities, labels, scene.view)
