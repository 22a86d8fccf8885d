# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive through a world with a sensor on the roof: one frame after the other, or any of them."""

from __future__ import annotations

import math

from pointpillars_ov_ros.core.errors import require
from pointpillars_ov_ros.synthetic.frame import SyntheticFrame, render
from pointpillars_ov_ros.synthetic.randomness import Dice, make_key
from pointpillars_ov_ros.synthetic.sensor import Sensor
from pointpillars_ov_ros.synthetic.styles import Style
from pointpillars_ov_ros.synthetic.sweep import make_sweep
from pointpillars_ov_ros.synthetic.world import World

_FASTEST = 25.0
"""No object is faster than this (m/s)."""


class Drive:
    """Frames of a simulated drive; a frame depends on seed, sensor, rate and its index alone."""

    def __init__(self, seed: int, sensor: Sensor, rate_hz: float = 10.0, style: Style | None = None) -> None:
        """Prepare the drive of `seed`, a frame every 1 / `rate_hz` s, on a kind of street of one's choice."""
        require(0.1 <= rate_hz <= 100.0, "rate_hz", rate_hz, "in 0.1..100 (Hz)")
        self.seed, self.sensor, self.rate_hz = seed, sensor, rate_hz
        self.world = World(seed, style)

    def frame(self, index: int) -> SyntheticFrame:
        """Give frame `index`, 0 or more."""
        require(index >= 0, "index", index, "at least 0")
        time, sensor, dice = index / self.rate_hz, self.sensor, Dice(self.seed, 40, index)
        view = self.world.view(time, sensor.mounting_height)
        scene = self.world.scene(time, view, sensor.max_range)
        speed, yaw_rate = self.world.ego_motion(time)
        phase = dice.between(0.0, 2.0 * math.pi / sensor.columns)
        sweep = make_sweep(sensor, phase, (speed, 0.0), yaw_rate, _FASTEST)
        return render(scene, sweep, sensor, self.seed, make_key(self.seed, 41, index), time)
