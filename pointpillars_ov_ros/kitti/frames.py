# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames on disk: KITTI's object, tracking, odometry and raw sets, and plain folders of clouds."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pointpillars_ov_ros.clouds.columns import KITTI
from pointpillars_ov_ros.clouds.files import AS_FOUND, SUFFIXES, CloudFiles, FileReading, read_cloud_file
from pointpillars_ov_ros.config.errors import DatasetError, list_names
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration, read_calibration
from pointpillars_ov_ros.kitti.labels import KittiObject, read_labels, read_tracking_labels
from pointpillars_ov_ros.kitti.raw import CAMERAS, TIMES, read_raw_calibration

CROPPED = "velodyne_reduced"
"""Folder of clouds cropped to the camera's view, as named by second.pytorch and its forks."""
ODOMETRY_TIMES = "times.txt"
"""Times of a sequence of the odometry set, beside its velodyne/."""


@dataclass(frozen=True)
class Frame:
    """One cloud on disk and its metadata; paths of files that do not exist are None."""

    name: str
    cloud: Path
    labels: Path | None = None
    calibration: Path | None = None
    image: Path | None = None
    times: Path | None = None
    """Times of all clouds of a drive; the line of this frame is number `scan`, from 0."""
    sequence: str = ""
    """Sequence of the tracking set, whose labels and calibration cover a whole sequence."""
    files: CloudFiles | None = field(default=None, compare=False)
    """Reader shared by the clouds of its folder; None: read on its own."""

    @property
    def scan(self) -> str:
        """Name of the frame within its sequence."""
        return self.cloud.stem

    @property
    def is_cropped(self) -> bool:
        """Whether the file already holds only what the camera sees."""
        return self.cloud.parent.name == CROPPED

    def read_points(self, crop: bool = False) -> FloatArray:
        """Return (N, 4) float32: x y z (m, lidar frame), intensity 0..1.

        With `crop`, only what the camera sees, if the calibration is known.
        """
        points = (self.files or CloudFiles([self.cloud])).read(self.cloud)
        calibration = self.read_calibration() if crop and not self.is_cropped else None
        if calibration is None:
            return points
        return points[calibration.in_image(points, self.read_image_size() or IMAGE_SIZE)]

    def read_calibration(self) -> Calibration | None:
        """Return the calibration, None if there is none."""
        if self.calibration is None:
            return None
        is_raw = self.calibration.name == CAMERAS
        return read_raw_calibration(self.calibration) if is_raw else read_calibration(self.calibration)

    def read_labels(self) -> list[KittiObject] | None:
        """Return the labels, None if there are none (an empty list: labelled, but no objects)."""
        if self.labels is None:
            return None
        return read_tracking_labels(self.labels, self.scan) if self.sequence else read_labels(self.labels)

    def read_image_size(self) -> tuple[int, int] | None:
        """Return width and height of the left colour image (pixels), None if there is no image."""
        return None if self.image is None else read_png_size(self.image)


def read_points(path: Path) -> FloatArray:
    """Read a KITTI velodyne .bin file: (N, 4) float32, x y z (m, lidar frame), intensity 0..1."""
    return read_cloud_file(path, KITTI)


def read_png_size(path: Path) -> tuple[int, int]:
    """Read width and height (pixels) from the header of a PNG file."""
    try:
        with path.open("rb") as stream:
            head = stream.read(24)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n"):
        raise DatasetError(f"{path}: does not begin with the header of a PNG image")
    width, height = struct.unpack(">II", head[16:])
    return width, height


def find_frames(folder: Path, reading: FileReading = AS_FOUND) -> list[Frame]:
    """List the frames under `folder`, by name.

    `folder` may be the root of the KITTI object set (holding training/ or testing/), one of its splits (holding
    velodyne/, with calib/ and label_2/ beside it), one cloud folder of it, the same of the tracking set
    (velodyne/0000/, label_02/0000.txt), a sequence of the odometry set (velodyne/, times.txt), a drive of the raw set
    (holding velodyne_points/data), nuScenes' root, or any folder of cloud files. A frame of a split that is only in
    velodyne_reduced/ is taken from there. DatasetError lists what the folder holds if it is none of these.
    """
    frames = next((frames for frames in _candidates(folder) if frames), None)
    if frames is None:
        raise DatasetError(_say_what_is_there(folder))
    files = CloudFiles([frame.cloud for frame in frames], reading)
    return [replace(frame, files=files) for frame in frames]


def _candidates(folder: Path) -> Iterator[list[Frame]]:
    """Yield the frames of each layout in turn; most are empty."""
    splits = (folder, folder / "training", folder / "testing")
    plain = [_plain_frame(cloud, folder.parent) for cloud in _list_clouds([folder])]
    yield [frame for frame in plain if frame.cloud.suffix.lower() == ".bin"]
    for split in splits:
        yield [_plain_frame(cloud, split) for cloud in _list_clouds([split / "velodyne", split / CROPPED])]
    for split in splits:
        yield [frame for name in _list_sequences(split / "velodyne") for frame in _tracking_frames(split, name)]
    yield [_raw_frame(cloud) for cloud in _list_clouds([folder / "velodyne_points" / "data"])]
    yield [Frame(cloud.stem, cloud) for cloud in _list_clouds([folder / "samples" / "LIDAR_TOP"])]
    # Last, because tools leave arrays of their own in the root of a dataset.
    yield plain


def _list_clouds(groups: Sequence[Path]) -> list[Path]:
    """List the clouds in some folders by name; of equal names, the first folder and then the first suffix wins."""
    paths: dict[str, Path] = {}
    for group in groups:
        if not group.is_dir():
            continue
        found = [path for path in group.iterdir() if path.suffix.lower() in SUFFIXES and not path.is_dir()]
        for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower())):
            paths.setdefault(path.stem, path)
    return [paths[name] for name in sorted(paths)]


def _list_sequences(velodyne: Path) -> list[str]:
    if not velodyne.is_dir():
        return []
    return sorted(path.name for path in velodyne.iterdir() if path.is_dir() and path.name.isdecimal())


def _plain_frame(cloud: Path, split: Path) -> Frame:
    """Return a frame of the object or odometry set, or of no known set."""
    if cloud.parent.parts[-2:] == ("velodyne_points", "data"):
        return _raw_frame(cloud)
    if cloud.parent.parent.name == "velodyne" and cloud.parent.name.isdecimal():
        return _tracking_frame(cloud, cloud.parent.parent.parent, cloud.parent.name)
    calibration = _there(split / "calib" / f"{cloud.stem}.txt") or _there(split / "calib.txt")
    return Frame(
        name=cloud.stem,
        cloud=cloud,
        labels=_there(split / "label_2" / f"{cloud.stem}.txt"),
        calibration=calibration,
        image=_there(split / "image_2" / f"{cloud.stem}.png"),
        times=_there(split / ODOMETRY_TIMES),
    )


def _raw_frame(cloud: Path) -> Frame:
    sensor = cloud.parent.parent
    drive = sensor.parent
    return Frame(
        name=cloud.stem,
        cloud=cloud,
        calibration=_there(drive.parent / CAMERAS),
        image=_there(drive / "image_02" / "data" / f"{cloud.stem}.png"),
        times=_there(sensor / TIMES),
    )


def _tracking_frames(split: Path, sequence: str) -> list[Frame]:
    return [_tracking_frame(cloud, split, sequence) for cloud in _list_clouds([split / "velodyne" / sequence])]


def _tracking_frame(cloud: Path, split: Path, sequence: str) -> Frame:
    return Frame(
        name=f"{sequence}_{cloud.stem}",
        cloud=cloud,
        labels=_there(split / "label_02" / f"{sequence}.txt"),
        calibration=_there(split / "calib" / f"{sequence}.txt"),
        image=_there(split / "image_02" / sequence / f"{cloud.stem}.png"),
        sequence=sequence,
    )


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _say_what_is_there(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: there is no such folder"
    kinds = Counter(path.suffix.lower() or "without suffix" for path in folder.rglob("*") if path.is_file())
    there = list_names([f"{count} {kind}" for kind, count in kinds.most_common()]) or "none"
    return (
        f"{folder}: no cloud ({', '.join(SUFFIXES)}) there, nor in training/velodyne, velodyne, velodyne/0000, "
        f"velodyne_points/data or samples/LIDAR_TOP below it; files there: {there}"
    )


def open_frames(folder: Path, limit: int = 0, reading: FileReading = AS_FOUND) -> list[Frame]:
    """List the frames in `folder`, the first `limit` of them if that is not 0."""
    frames = find_frames(folder, reading)
    return frames[:limit] if limit else frames


def open_cloud(path: Path, reading: FileReading = AS_FOUND) -> Frame:
    """Return the frame of one cloud, with the files that KITTI's sets have beside it."""
    return replace(_plain_frame(path, path.parent.parent), files=CloudFiles([path], reading))


def can_crop(frame: Frame) -> bool:
    """Whether it is known what the camera sees of a frame."""
    return frame.is_cropped or frame.calibration is not None
