# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive through a world with a sensor on the roof: frames in sequence or at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.synthetic.frame import SimulatedFrame, render
from pointpillars_ov_ros.synthetic.lidar.sensor import Sensor, load_sensor
from pointpillars_ov_ros.synthetic.lidar.sweep import make_sweep
from pointpillars_ov_ros.synthetic.randomness import RandomStream, make_key
from pointpillars_ov_ros.synthetic.world.styles import Style
from pointpillars_ov_ros.synthetic.world.world import World

_FASTEST = 36.0
"""Upper limit of the speed of objects (m/s); traffic.draw_pace goes up to 1.7 times the fastest style's speed."""


def simulate(sensor: Sensor | str | Path, seed: int, style: Style | None = None) -> SimulatedFrame:
    """Return one frame: the first of the drive of `seed` with a sensor, its name, or the path of its YAML file.

    Raises ConfigError naming the field and the value.
    """
    return Drive(sensor, seed, 1, style=style).frame(0)


class Drive:
    """Frames of a simulated drive; a frame depends only on sensor, seed, rate, style and its index."""

    def __init__(
        self,
        sensor: Sensor | str | Path,
        seed: int,
        frames: int,
        rate_hz: float = 10.0,
        style: Style | None = None,
    ) -> None:
        """Prepare the drive of `seed`, with a frame every 1 / `rate_hz` s, on a drawn or given kind of street.

        Raises ConfigError naming the field and the value.
        """
        require(frames >= 1, "frames", frames, "at least 1")
        require(0.1 <= rate_hz <= 100.0, "rate_hz", rate_hz, "in 0.1..100 (Hz)")
        self.sensor = sensor if isinstance(sensor, Sensor) else load_sensor(sensor)
        self.seed, self.frames, self.rate_hz = seed, frames, rate_hz
        self.world = World(seed, style)

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[SimulatedFrame]:
        return map(self.frame, range(self.frames))

    def frame(self, index: int) -> SimulatedFrame:
        """Return frame `index`; ConfigError if the drive has no such frame."""
        require(0 <= index < self.frames, "index", index, f"in 0..{self.frames - 1}")
        time, sensor, dice = index / self.rate_hz, self.sensor, RandomStream(self.seed, 40, index)
        view = self.world.view(time, sensor.mounting_height, sensor.mount)
        scene = self.world.scene(time, view, sensor.max_range)
        speed, yaw_rate = self.world.ego_motion(time)
        phase = dice.between(0.0, 2.0 * math.pi / sensor.columns)
        sweep = make_sweep(sensor, phase, (speed, 0.0), yaw_rate, _FASTEST)
        return render(scene, sweep, sensor, self.seed, make_key(self.seed, 41, index), time)
