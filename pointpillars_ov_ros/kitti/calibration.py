# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI calibration files: lidar points to pixels of the left colour image, camera positions to the lidar frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import DatasetError, plain
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

IMAGE_SIZE = (1242, 375)
"""Width and height of most KITTI images (pixels); the smallest is 1224 x 370."""
MOST_BYTES, MOST = 16_000_000, 1e9
"""Limits for a KITTI text file, the longest of which have about 100 kB, and for a number in it.

float32 must be able to hold the square of the number.
"""


@dataclass(frozen=True)
class Calibration:
    """One frame's calibration, as in the object development kit."""

    projection: DoubleArray
    """P2, (3, 4): rectified camera coordinates to pixels of the left colour camera."""
    T_camera_lidar: DoubleArray
    """(4, 4): lidar frame to rectified camera coordinates (R0_rect * Tr_velo_to_cam)."""

    def pinhole(self) -> tuple[DoubleArray, DoubleArray]:
        """Return the left colour camera on its own: its matrix K, (3, 3), and T_camera_lidar, (4, 4), into its frame.

        The last column of P2 holds the offset from the grey camera, whose frame the rectified coordinates are in.
        """
        matrix, T_color_lidar = self.projection[:, :3], self.T_camera_lidar.copy()
        T_color_lidar[:3, 3] += np.linalg.solve(matrix, self.projection[:, 3])
        return matrix, T_color_lidar

    def to_lidar(self, positions: DoubleArray) -> DoubleArray:
        """Transform (N, 3) rectified camera coordinates (m) to the lidar frame."""
        rotation, translation = self.T_camera_lidar[:3, :3], self.T_camera_lidar[:3, 3]
        return np.asarray(np.linalg.solve(rotation, (positions - translation).T).T)

    def in_image(self, points: FloatArray, image_size: tuple[int, int] = IMAGE_SIZE) -> npt.NDArray[np.bool_]:
        """Return for each of `points` (N, >= 3), lidar frame, whether it is visible in the image."""
        rotation, translation = self.T_camera_lidar[:3, :3], self.T_camera_lidar[:3, 3]
        camera = points[:, :3] @ rotation.T + translation
        pixels = camera @ self.projection[:, :3].T + self.projection[:, 3]
        depth = pixels[:, 2]
        ahead = depth > 0.1
        safe = np.where(ahead, depth, 1.0)
        u, v = pixels[:, 0] / safe, pixels[:, 1] / safe
        return ahead & (u >= 0) & (u < image_size[0]) & (v >= 0) & (v < image_size[1])


def format_calibration(calibration: Calibration) -> str:
    """Return the text of a calib/*.txt file that reads back unchanged; all cameras are at the left colour one."""
    rows = {
        **{f"P{camera}": calibration.projection for camera in range(4)},
        "R0_rect": np.eye(3),
        "Tr_velo_to_cam": calibration.T_camera_lidar[:3],
        "Tr_imu_to_velo": np.eye(4)[:3],
    }
    return "".join(f"{key}: {' '.join(str(float(value)) for value in row.flat)}\n" for key, row in rows.items())


def read_calibration(path: Path) -> Calibration:
    """Read a calib file of the object, tracking or odometry set; DatasetError names file and line.

    The tracking set has R_rect and Tr_velo_cam, without colons; the odometry set has Tr, into the rectified frame.
    """
    rows = read_rows(path, {})
    if "Tr" in rows and "Tr_velo_to_cam" not in rows:
        rows = {"R0_rect": np.eye(3).ravel(), "Tr_velo_to_cam": rows["Tr"], **rows}
    for name, of_tracking in (("R0_rect", "R_rect"), ("Tr_velo_to_cam", "Tr_velo_cam")):
        if of_tracking in rows:
            rows.setdefault(name, rows[of_tracking])
    check_rows(path, rows, {"P2": 12, "R0_rect": 9, "Tr_velo_to_cam": 12})
    return make_calibration(path, rows["P2"], rows["R0_rect"], rows["Tr_velo_to_cam"].reshape(3, 4))


def make_calibration(
    path: Path, projection: DoubleArray, rectification: DoubleArray, lidar_to_camera: DoubleArray
) -> Calibration:
    """Return the calibration of P2 (12), R0_rect (9) and Tr_velo_to_cam (3, 4), read from `path`.

    Raises DatasetError if one of them is not a camera or a rotation, since nothing could be transformed with it.
    """
    T_rect_camera, T_camera_lidar = np.eye(4), np.eye(4)
    T_rect_camera[:3, :3] = rectification.reshape(3, 3)
    T_camera_lidar[:3] = lidar_to_camera
    T_camera_lidar = T_rect_camera @ T_camera_lidar
    # The determinant of a rotation is 1, that of a camera its focal length squared.
    for what, matrix, most in (("projection", projection.reshape(3, 4), math.inf), ("rotation", T_camera_lidar, 10.0)):
        size = abs(float(np.linalg.det(matrix[:3, :3])))
        if not 0.1 < size < most:
            raise DatasetError(f"{path}: the {what} is invalid (its determinant is {size:g})")
    return Calibration(projection.reshape(3, 4), T_camera_lidar)


def read_rows(path: Path, sizes: dict[str, int]) -> dict[str, DoubleArray]:
    """Read the lines `KEY: numbers` of a file; keys in `sizes` must have that many numbers.

    DatasetError names file and line. Lines in which KITTI stores dates (calib_time) are skipped. Some keys of the
    tracking set have no colon.
    """
    rows: dict[str, DoubleArray] = {}
    try:
        lines = read_text(path, MOST_BYTES, "ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a KITTI calibration ({error})") from None
    for number, line in enumerate(lines, start=1):
        key, _, numbers = line.strip().partition(":" if ":" in line else " ")
        if not line.strip() or key.strip() == "calib_time":
            continue
        try:
            rows[key.strip()] = np.array([float(text) for text in numbers.split()])
        except ValueError:
            raise DatasetError(f"{path}:{number}: {plain(key.strip())} is not a list of numbers") from None
    check_rows(path, rows, sizes)
    return rows


def check_rows(path: Path, rows: dict[str, DoubleArray], sizes: dict[str, int]) -> None:
    """Raise DatasetError unless the rows of `sizes` are there, with that many numbers, all finite."""
    for key, size in sizes.items():
        if key not in rows or rows[key].size != size:
            raise DatasetError(f"{path}: {key} must have {size} numbers, but has {rows.get(key, np.empty(0)).size}")
        if not (np.abs(rows[key]) <= MOST).all():
            raise DatasetError(f"{path}: {key} contains a number that is not finite or beyond {MOST:g}")
