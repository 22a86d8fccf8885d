# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI frames on disk: object folders (velodyne/, label_2/, calib/, image_2/) and plain folders of .bin files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration, read_calibration
from pointpillars_ov_ros.kitti.labels import KittiObject, read_labels
from pointpillars_ov_ros.kitti.raw import CAMERAS, TIMES, read_raw_calibration

CROPPED = "velodyne_reduced"
"""Folder of clouds cut to the camera's view, as second.pytorch and its kin name it."""


@dataclass(frozen=True)
class Frame:
    """One cloud on disk and what is known of it; paths of what is not there are None."""

    name: str
    cloud: Path
    labels: Path | None = None
    calibration: Path | None = None
    image: Path | None = None
    times: Path | None = None
    """Of the clouds of a raw drive; this frame's is in the line after as many as its name says."""

    @property
    def is_cropped(self) -> bool:
        """Tell whether the file already holds only what the camera sees."""
        return self.cloud.parent.name == CROPPED

    def read_points(self, crop: bool = False) -> FloatArray:
        """Give (N, 4) float32: x y z (m, lidar frame), intensity 0..1.

        With `crop` only what the camera sees, where that is known.
        """
        points = read_points(self.cloud)
        calibration = self.read_calibration() if crop and not self.is_cropped else None
        if calibration is None:
            return points
        return points[calibration.in_image(points, self.read_image_size() or IMAGE_SIZE)]

    def read_calibration(self) -> Calibration | None:
        """Give the calibration, None where there is none."""
        if self.calibration is None:
            return None
        is_raw = self.calibration.name == CAMERAS
        return read_raw_calibration(self.calibration) if is_raw else read_calibration(self.calibration)

    def read_labels(self) -> list[KittiObject] | None:
        """Give the labels, None where there are none (an empty list: labelled, and nothing there)."""
        return None if self.labels is None else read_labels(self.labels)

    def read_image_size(self) -> tuple[int, int] | None:
        """Give width and height of the left colour image (pixels), None where there is no image."""
        return None if self.image is None else read_png_size(self.image)


def read_points(path: Path) -> FloatArray:
    """Read a KITTI velodyne .bin file: (N, 4) float32, x y z (m, lidar frame), intensity 0..1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) % 16:
        raise DatasetError(f"{path}: {len(data)} bytes are no whole number of 16-byte points")
    return np.frombuffer(data, np.float32).reshape(-1, 4)


def read_png_size(path: Path) -> tuple[int, int]:
    """Read width and height (pixels) out of the head of a PNG file."""
    try:
        with path.open("rb") as stream:
            head = stream.read(24)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n"):
        raise DatasetError(f"{path}: does not begin as a PNG image does")
    width, height = struct.unpack(">II", head[16:])
    return width, height


def find_frames(folder: Path) -> list[Frame]:
    """List the frames under `folder`, by name.

    `folder` may be the root of the KITTI object set (holding training/ or testing/), one of its splits
    (holding velodyne/, with calib/ and label_2/ beside it), one cloud folder of it, a drive of the raw set
    (holding velodyne_points/data) or any folder of .bin files. A frame of a split that is only in
    velodyne_reduced/ is taken from there.
    """
    for groups in (
        [folder],
        *([split / "velodyne", split / CROPPED] for split in (folder, folder / "training", folder / "testing")),
        [folder / "velodyne_points" / "data"],
    ):
        paths = {path.stem: path for group in reversed(groups) for path in group.glob("*.bin")}
        if paths:
            is_raw = next(iter(paths.values())).parent.parts[-2:] == ("velodyne_points", "data")
            make = _raw_frame if is_raw else partial(_frame, split=groups[0].parent)
            return [make(paths[name]) for name in sorted(paths)]
    raise DatasetError(
        f"{folder}: no .bin cloud there, nor in training/velodyne, velodyne or velodyne_points/data below it"
    )


def _frame(cloud: Path, split: Path) -> Frame:
    labels = split / "label_2" / f"{cloud.stem}.txt"
    calibration = split / "calib" / f"{cloud.stem}.txt"
    image = split / "image_2" / f"{cloud.stem}.png"
    return Frame(
        name=cloud.stem,
        cloud=cloud,
        labels=labels if labels.is_file() else None,
        calibration=calibration if calibration.is_file() else None,
        image=image if image.is_file() else None,
    )


def _raw_frame(cloud: Path) -> Frame:
    sensor = cloud.parent.parent
    drive = sensor.parent
    calibration, times = drive.parent / CAMERAS, sensor / TIMES
    image = drive / "image_02" / "data" / f"{cloud.stem}.png"
    return Frame(
        name=cloud.stem,
        cloud=cloud,
        calibration=calibration if calibration.is_file() else None,
        image=image if image.is_file() else None,
        times=times if times.is_file() else None,
    )


def open_frames(folder: Path, limit: int = 0) -> list[Frame]:
    """List the frames in `folder`, the first `limit` of them where that is not 0."""
    frames = find_frames(folder)
    return frames[:limit] if limit else frames


def can_crop(frame: Frame) -> bool:
    """Tell whether what the camera sees of a frame is known."""
    return frame.is_cropped or frame.calibration is not None
