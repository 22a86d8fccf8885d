# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes of KITTI folders and of the simulated world."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError, DatasetError
from pointpillars_ov_ros.training.geometry import count_points
from pointpillars_ov_ros.training.scenes import KittiScenes, SimulatedScenes
from test.kitti.files import calibration_text, label_line

CLASSES = ("Car", "Pedestrian", "Cyclist")


def kitti_folder(folder: Path) -> Path:
    for name in ("velodyne", "label_2", "calib"):
        (folder / name).mkdir(parents=True)
    for frame in range(3):
        points = np.array([[20.0 + frame, -2.0, -1.0, 0.5], [-20.0, 0.0, -1.0, 0.5]], np.float32)
        points.tofile(folder / "velodyne" / f"{frame:06d}.bin")
    for frame in range(2):
        lines = [label_line("Van"), label_line("Cyclist"), label_line("Car", rotation_y=-math.pi / 2)]
        (folder / "label_2" / f"{frame:06d}.txt").write_text("\n".join(lines) + "\n")
        (folder / "calib" / f"{frame:06d}.txt").write_text(calibration_text())
    return folder


def test_kitti_frames_with_labels_are_scenes(tmp_path: Path) -> None:
    source = KittiScenes(kitti_folder(tmp_path), CLASSES)
    assert source.name.startswith("2 frames of ")
    scene = source.scene(3)
    np.testing.assert_array_equal(scene.points[:, 0], [21.0])
    np.testing.assert_array_equal(scene.labels, [2, 0])
    np.testing.assert_allclose(scene.boxes[1, [3, 4, 5, 6]], [3.9, 1.6, 1.5, 0.0], atol=1e-6)


def test_a_split_chooses_frames_and_names_one_that_is_missing(tmp_path: Path) -> None:
    folder, split = kitti_folder(tmp_path), tmp_path / "train.txt"
    split.write_text("000001\n")
    source = KittiScenes(folder, CLASSES, split)
    assert [source.scene(seed).points[0, 0] for seed in range(3)] == [21.0] * 3
    split.write_text("000001\n000002\n")
    with pytest.raises(DatasetError, match=r"frame 000002 of .*train\.txt lacks its cloud, labels or calibration"):
        KittiScenes(folder, CLASSES, split)


def test_a_folder_without_labels_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "velodyne").mkdir()
    np.zeros((1, 4), np.float32).tofile(tmp_path / "velodyne" / "000000.bin")
    with pytest.raises(DatasetError, match="no frame has both labels"):
        KittiScenes(tmp_path, CLASSES)


def test_simulated_scenes_are_those_of_their_seed() -> None:
    source = SimulatedScenes("vlp_16", CLASSES)
    scene, again = source.scene(7), source.scene(7)
    np.testing.assert_array_equal(scene.points, again.points)
    assert len(scene.boxes) == len(scene.labels) > 0
    assert set(scene.labels.tolist()) <= {0, 1, 2}
    assert (count_points(scene.points, scene.boxes) >= 5).any()
    assert scene.boxes.dtype == np.float32 and source.height > 0.0


def test_an_unknown_sensor_is_named() -> None:
    with pytest.raises(ConfigError, match="hdl_65"):
        SimulatedScenes("hdl_65", CLASSES)
