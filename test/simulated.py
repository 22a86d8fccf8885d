# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds of the simulated HDL-64E that every machine can make, cut to what the bundled model was trained on."""

from __future__ import annotations

from functools import cache

import numpy as np

from pointpillars_ov_ros.synthetic import simulate
from test.builders import Points


@cache
def simulated_cloud(seed: int) -> Points:
    """Return the points (N, 4) float32 ahead of the sensor, in another street for each seed; not to be changed."""
    points = simulate("hdl_64e", seed).points
    ahead = (points[:, 0] > 0.0) & (np.abs(points[:, 1]) < points[:, 0])
    cloud = np.ascontiguousarray(points[ahead], np.float32)
    cloud.flags.writeable = False
    return cloud
