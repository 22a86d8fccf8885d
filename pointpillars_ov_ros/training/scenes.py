# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of training scenes: clouds with labelled boxes, each addressed by a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from pointpillars_ov_ros.config.errors import DatasetError, count_of
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.kitti.labels import lidar_boxes
from pointpillars_ov_ros.kitti.results import read_split


class LabelledScene(NamedTuple):
    """A labelled cloud; lidar frame (x forward, y left, z up)."""

    points: FloatArray
    """(N, 4) float32, x y z (m), intensity 0..1."""
    boxes: FloatArray
    """(M, 7) float32, geometric centre x y z, length, width, height (m), yaw (rad, about +z, 0 = +x)."""
    labels: IntArray
    """(M,) int32, index of the class."""


class SceneSource(Protocol):
    """Source of scenes; it is copied to the processes that make samples."""

    name: str
    """Short description of where the scenes come from."""

    def scene(self, seed: int) -> LabelledScene:
        """Return the scene of a number in 0..2^31 - 1, always the same for the same number."""


class KittiScenes:
    """Frames of a KITTI folder, cropped to the camera's view, where alone they are labelled."""

    def __init__(self, folder: Path, classes: Sequence[str], split: Path | None = None) -> None:
        """List the frames that have labels and a calibration; with a `split`, those that this file names.

        Raises DatasetError if there are none, or if a named one is missing.
        """
        self._frames = [frame for frame in find_frames(folder) if frame.labels and frame.calibration]
        if split is not None:
            found = {frame.name: frame for frame in self._frames}
            names = read_split(split)
            missing = [name for name in names if name not in found]
            if missing:
                raise DatasetError(f"{folder}: frame {missing[0]} of {split} lacks its cloud, labels or calibration")
            self._frames = [found[name] for name in names]
        if not self._frames:
            raise DatasetError(f"{folder}: no frame has both labels (label_2) and a calibration (calib)")
        self._classes = tuple(classes)
        self.name = f"{count_of(len(self._frames), 'frame')} of {folder}"

    def scene(self, seed: int) -> LabelledScene:
        """Return frame `seed` modulo the number of frames; DatasetError names a file that cannot be read."""
        frame = self._frames[seed % len(self._frames)]
        calibration = frame.read_calibration()
        # Neither is None for the frames in the list.
        assert calibration is not None
        points = frame.read_points()
        if not frame.is_cropped:
            points = points[calibration.in_image(points, frame.read_image_size() or IMAGE_SIZE)]
        objects = [one for one in frame.read_labels() or [] if one.type in self._classes]
        labels = np.array([self._classes.index(one.type) for one in objects], np.int32)
        return LabelledScene(points, lidar_boxes(objects, calibration), labels)


class SimulatedScenes:
    """Simulated scenes around a sensor on the roof of a car."""

    def __init__(self, sensor: str, classes: Sequence[str]) -> None:
        """Use a sensor of the package by its name, or that of a YAML file; ConfigError if it is neither."""
        # Imported here, so that training on KITTI does not need the simulator.
        from pointpillars_ov_ros.synthetic import load_sensor

        self._sensor = load_sensor(sensor)
        self._classes = tuple(classes)
        self.height = self._sensor.mounting_height
        """Height of the sensor above the ground (m)."""
        self.beams = self._sensor.beams
        self.name = f"scenes simulated for {self._sensor.name}"

    def scene(self, seed: int) -> LabelledScene:
        """Simulate one frame, with its objects of the requested classes."""
        from pointpillars_ov_ros.synthetic import simulate

        frame = simulate(self._sensor, seed)
        chosen = [k for k, name in enumerate(frame.labels.names) if name in self._classes]
        labels = np.array([self._classes.index(frame.labels.names[k]) for k in chosen], np.int32)
        return LabelledScene(frame.points, frame.labels.boxes[chosen], labels)
