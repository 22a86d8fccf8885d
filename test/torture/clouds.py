# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds to send that everybody has: of the simulated sensors."""

from __future__ import annotations

from pathlib import Path

from pointpillars_ov_ros.synthetic.drive import Drive


def simulated_clouds(folder: Path, count: int, sensor: str = "hdl_64e") -> list[Path]:
    """Write the first clouds of a simulated drive, x y z (m) intensity (0..1) as float32 each."""
    paths = []
    for index, frame in enumerate(Drive(sensor, 7, count)):
        paths.append(folder / f"simulated_{index}.bin")
        frame.points.tofile(paths[-1])
    return paths
