# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A made-up KITTI frame: texts of its files, and an own inverse of its calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def turn(axis: int, angle: float) -> Array:
    """Return the rotation matrix about an axis."""
    a, b = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


AXES = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
"""Lidar axes (forward, left, up) to camera axes (right, down, forward)."""
MOUNTING = np.array([[-0.004], [-0.072], [-0.29]])
PROJECTION = np.array([[700.0, 0, 600, 40], [0, 700, 180, 0.2], [0, 0, 1, 0.003]])


def calibration_text(rectification: Array | None = None, velo_to_cam: Array | None = None) -> str:
    """Return a calib file with all the keys of KITTI."""
    rectification = np.eye(3) if rectification is None else rectification
    velo_to_cam = np.hstack([AXES, MOUNTING]) if velo_to_cam is None else velo_to_cam
    matrices = {
        "P0": PROJECTION - 1,
        "P1": PROJECTION + 1,
        "P2": PROJECTION,
        "P3": PROJECTION + 2,
        "R0_rect": rectification,
        "Tr_velo_to_cam": velo_to_cam,
        "Tr_imu_to_velo": velo_to_cam + 3,
    }
    return "".join(f"{key}: {numbers(value)}\n" for key, value in matrices.items()) + "\n"


def numbers(values: Array) -> str:
    """Return a row of numbers, in full precision."""
    return " ".join(f"{value:.12e}" for value in values.ravel())


def label_line(
    kind: str = "Car",
    size: tuple[float, float, float] = (1.5, 1.6, 3.9),
    location: tuple[float, float, float] = (2.0, 1.7, 20.0),
    rotation_y: float = 0.1,
) -> str:
    """Return a line of a label file; `size` is height, width, length."""
    values = (0.25, 1, -1.5, 100.0, 110.0, 200.0, 210.0, *size, *location, rotation_y)
    return " ".join([kind, *(f"{value:.9g}" for value in values)])
