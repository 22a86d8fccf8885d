# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real KITTI frames, published as PointCloud2 by one process and received as Detection3DArray from another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.frames import Frame, find_frames
from pointpillars_ov_ros.kitti.labels import lidar_boxes
from pointpillars_ov_ros.kitti.matching import match_by_distance, split_wanted
from pointpillars_ov_ros.model.bundle import ModelBundle, write_bundle
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.dds.peers import nodes, peer, stamp_of
from test.reference.road import DirectRoad
from test.shared_data import KITTI, SHARED, needs_shared_data

pytestmark = [needs_shared_data, pytest.mark.usefixtures("ros")]

LABELLED = ("000038", "001481", "001966", "002270", "000134")
"""The frames that the network's PFE was not fitted on; 000134 is there cropped only."""
TRAINED_WITH = (0.1, -39.9)
GEOMETRIC = (0.08, -39.6)


def with_center_offset(bundle: ModelBundle, offset: tuple[float, float], folder: Path) -> ModelBundle:
    grid = dataclasses.replace(bundle.config.grid, pillar_center_offset=offset)
    config = dataclasses.replace(bundle.config, grid=grid)
    return write_bundle(config, {name: bundle.path(name) for name in bundle.config.sha256}, folder)


def detect_over_dds(bundle: ModelBundle, logs: Path, **player: object) -> list[Detections]:
    """Play and detect in separate processes; return the results, after checking the headers."""
    with peer() as listener, nodes(logs) as processes:
        processes.start(
            "pointpillars_detector",
            {"model_dir": str(bundle.folder), "drop_policy": "replay", "precision": "f32", "encoder": "host"},
        )
        seen: list[tuple[int, int]] = []
        frames: list[str] = []

        def on_cloud(message: object) -> None:
            seen.append(stamp_of(message))
            frames.append(message.header.frame_id)  # type: ignore[attr-defined]

        from sensor_msgs.msg import PointCloud2

        from pointpillars_ov_ros.ros import qos

        # A detector may find its player sooner than its listener, who would go without the first results.
        listener.connect(np.zeros((1, 4), np.float32), processes)
        listener.detections.clear()
        listener.create_subscription(PointCloud2, "points", on_cloud, qos.keep_last(100))
        processes.start("kitti_player", {"wait_for_subscribers": 2, "frame_id": "lidar_top", **player})
        listener.wait_until(lambda: processes.has_ended("kitti_player"), "the end of the player", processes)
        listener.wait_until(lambda: len(listener.detections) >= len(seen), "a result for each cloud", processes)
    assert [stamp_of(array) for array in listener.detections] == seen, "headers changed, or results out of order"
    assert {array.header.frame_id for array in listener.detections} == {"lidar_top"} == set(frames)
    assert all(d.header == array.header for array in listener.detections for d in array.detections)
    return [from_detection_array(array, bundle.config.classes) for array in listener.detections]


def labelled_frames() -> list[Frame]:
    frames = {frame.name: frame for frame in find_frames(KITTI)}
    return [frames[name] for name in LABELLED]


def cropped_points(frame: Frame) -> np.ndarray:
    points, calibration = frame.read_points(), frame.read_calibration()
    assert calibration is not None
    return points if frame.is_cropped else points[calibration.in_image(points)]


def tally(detections: list[Detections], bundle: ModelBundle, score: float) -> np.ndarray:
    """Count found, missed and false per frame, (frames, 3)."""
    rows = []
    for frame, detected in zip(labelled_frames(), detections, strict=True):
        objects, calibration = frame.read_labels(), frame.read_calibration()
        assert objects is not None and calibration is not None
        wanted, ignored = split_wanted(objects, lidar_boxes(objects, calibration), "Car", bundle.config.grid)
        rows.append(match_by_distance(detected.above(score).boxes, wanted, ignored))
    return np.array(rows)


@pytest.mark.parametrize(
    "offset",
    [
        TRAINED_WITH,
        # At 0.5 these still find 19 of the 31 with 3 false, so the limits at 0.8 are what tells them apart.
        pytest.param(GEOMETRIC, marks=pytest.mark.xfail(raises=AssertionError, strict=True)),
    ],
)
def test_cars_of_labelled_frames_are_found(kitti_car: ModelBundle, tmp_path: Path, offset: tuple[float, float]) -> None:
    bundle = with_center_offset(kitti_car, offset, tmp_path / "bundle")
    detections = detect_over_dds(
        bundle, tmp_path / "logs", data_dir=str(KITTI), frames=",".join(LABELLED), crop_to_image=True
    )
    table = tally(detections, bundle, score=0.5)
    print("\nframe   found  missed  false   (score >= 0.5)")
    for name, row in zip(LABELLED, table, strict=True):
        print(f"{name}  {row[0]:5}  {row[1]:6}  {row[2]:5}")
    found, missed, false = table.sum(axis=0)
    print(f"all     {found:5}  {missed:6}  {false:5}")
    sure = tally(detections, bundle, score=0.8)[:, 0].sum()
    assert found + missed == 31
    assert found >= 19 and false <= 5
    assert sure >= 10, f"{sure} found at score 0.8, where the right offsets find 14"
    assert_as_called_directly(bundle, detections)


def assert_as_called_directly(bundle: ModelBundle, detections: list[Detections]) -> None:
    """The same boxes as without ROS, to 1 mm and 0.1 mrad."""
    road = DirectRoad(bundle, on_host=True, lean=True)
    for frame, received in zip(labelled_frames(), detections, strict=True):
        direct = road.detect(cropped_points(frame))
        np.testing.assert_array_equal(received.labels, direct.labels)
        np.testing.assert_allclose(received.scores, direct.scores, atol=1e-4)
        np.testing.assert_allclose(received.boxes[:, :6], direct.boxes[:, :6], atol=1e-3)
        turned = received.boxes[:, 6] - direct.boxes[:, 6]
        np.testing.assert_allclose((turned + np.pi) % (2 * np.pi) - np.pi, 0.0, atol=1e-4)


def test_a_drive_in_replay_mode_loses_nothing_and_keeps_its_order(kitti_car: ModelBundle, tmp_path: Path) -> None:
    drive = SHARED / "data" / "kitti360_sequence"
    assert len(detect_over_dds(kitti_car, tmp_path, data_dir=str(drive), rate=10.0)) == 20
