# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulation of a spinning LiDAR, and of drives through streets with ground truth; needs no data set.

frame = simulate("hdl_64e", seed=1)
for frame in Drive("my_sensor.yaml", seed=1, frames=100): ...
"""

from pointpillars_ov_ros.synthetic.drive import Drive, simulate
from pointpillars_ov_ros.synthetic.frame import SimulatedFrame
from pointpillars_ov_ros.synthetic.labels import Labels
from pointpillars_ov_ros.synthetic.lidar.sensor import SENSORS, Sensor, load_sensor

__all__ = ["SENSORS", "Drive", "Labels", "Sensor", "SimulatedFrame", "load_sensor", "simulate"]
