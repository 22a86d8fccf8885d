# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs of `pointpillars_ov detect`: files, folders and bags, one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.clouds.files import SUFFIXES, FileReading
from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import CloudError, DatasetError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.frames import Frame, find_frames, open_cloud
from pointpillars_ov_ros.kitti.labels import lidar_boxes

_BAGS = (".mcap", ".db3", ".bag")
_NUSCENES = (
    "files with these names are nuScenes', whose x is to the right and y forward: if so, set "
    "--sensor-pose 0 0 0 0 0 -1.5708"
)


class NamedCloud(NamedTuple):
    """A cloud, in the sensor's frame."""

    name: str
    points: FloatArray
    """(N, 4), x y z (m), intensity 0..1."""
    truth: FloatArray | None = None
    """Labelled boxes (K, 7), if there are any."""
    notes: tuple[str, ...] = ()
    """Remarks on how it was read, given once."""
    follows: bool = False
    """Whether it was taken soon after the one before, as the clouds of a bag are."""


def check_inputs(options: argparse.Namespace) -> None:
    """Raise PointPillarsError if an input does not exist, before networks are loaded."""
    for path in options.inputs:
        if not path.exists():
            raise DatasetError(f"{path}: no such file or folder")
        if path.is_file() and not is_cloud_file(path) and path.suffix.lower() not in _BAGS:
            raise DatasetError(f"{path}: clouds are read from {', '.join((*SUFFIXES, *_BAGS))} files, and from folders")


def read_inputs(options: argparse.Namespace) -> Iterator[NamedCloud]:
    """Yield the clouds of all inputs; DatasetError names a file that cannot be read."""
    reading = file_reading(options)
    for path in options.inputs:
        if is_cloud_file(path):
            yield from read_frames([open_cloud(path, reading)])
        elif path.is_dir() and not _is_bag_folder(path):
            yield from read_frames(find_frames(path, reading))
        else:
            yield from read_bag(path, options.topic, reading)


def is_cloud_file(path: Path) -> bool:
    """Whether a path is a file with one cloud."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read_frames(frames: list[Frame]) -> Iterator[NamedCloud]:
    """Yield the clouds of frames; the first one carries remarks on how they are read."""
    notes = tuple(frames[0].files.notes()) if frames and frames[0].files is not None else ()
    if frames and frames[0].cloud.name.endswith(".pcd.bin"):
        notes = (*notes, _NUSCENES)
    for frame in frames:
        yield NamedCloud(frame.name, frame.read_points(), _read_truth(frame), notes)
        notes = ()


def read_bag(path: Path, topic: str | None, reading: FileReading) -> Iterator[NamedCloud]:
    """Yield the clouds of a bag; one that cannot be read has no points, and a note with the reason."""
    from pointpillars_ov_ros.bags.reader import POINT_CLOUD, choose_topic, open_bag

    with open_bag(path) as bag:
        chosen = choose_topic(bag, path, POINT_CLOUD, topic)
        scales = {"intensity_scale": reading.intensity_scale, "coordinate_scale": reading.coordinate_scale}
        reader = CloudReader(from_plain(RuntimeConfig, scales))
        said = ""
        clouds = bag.messages([connection for connection in bag.connections if connection.topic == chosen])
        for number, (_, _, data) in enumerate(clouds):
            name = f"{path.name} {number}"
            try:
                points = reader.read(bag.deserialize(data, POINT_CLOUD)).points
            except CloudError as error:
                yield NamedCloud(name, np.zeros((0, 4), np.float32), None, (f"refused: {error}",))
                continue
            # Broken bytes make rosbags raise any kind of exception.
            except Exception as error:
                reason = f"refused: this is not a PointCloud2 ({one_line(error)})"
                yield NamedCloud(name, np.zeros((0, 4), np.float32), None, (reason,))
                continue
            notes = (reader.reading.sentence,) if reader.reading.sentence not in ("", said) else ()
            said = reader.reading.sentence
            yield NamedCloud(name, points, None, notes, follows=number > 0)


def _is_bag_folder(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or any(
        file.suffix.lower() in _BAGS or file.name.endswith((".db3.zstd", ".mcap.zstd")) for file in path.iterdir()
    )


def _read_truth(frame: Frame) -> FloatArray | None:
    calibration, labels = frame.read_calibration(), frame.read_labels()
    if calibration is None or labels is None:
        return None
    # DontCare regions have no box.
    return lidar_boxes([label for label in labels if label.height > 0.0], calibration)
