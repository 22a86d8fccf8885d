# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections in the lidar frame as KITTI results: round trips, and visibility."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration, read_calibration
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.kitti.labels import KittiObject, lidar_boxes
from pointpillars_ov_ros.kitti.projection import to_results
from test.kitti.files import AXES, MOUNTING, PROJECTION, calibration_text, turn
from test.shared_data import KITTI, needs_shared_data

Boxes = npt.NDArray[np.float32]
CLASSES = ("Car", "Pedestrian")


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    """Return a calibration in which no axis is exactly aligned."""
    path = tmp_path / "calib.txt"
    path.write_text(calibration_text(turn(0, 0.02) @ turn(2, -0.03), np.hstack([turn(1, 0.05) @ AXES, MOUNTING])))
    return read_calibration(path)


def detected(boxes: Boxes) -> Detections:
    count = len(boxes)
    return Detections(boxes, np.linspace(0.9, 0.3, count).astype(np.float32), np.arange(count, dtype=np.int32) % 2)


def random_boxes(seed: int, count: int, low: float = 4.0) -> Boxes:
    """Return boxes ahead of the camera, (count, 7)."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(low, 60, count), rng.uniform(-0.7, 0.7, count)
    sides = rng.uniform(0.5, 5.0, (count, 3))
    rows = np.column_stack([x, x * y, rng.uniform(-1.5, 0.5, count), sides, rng.uniform(-3.1, 3.1, count)])
    return rows.astype(np.float32)


def seen_extent(result: KittiObject, size: tuple[int, int]) -> list[float]:
    """Return the 2D box of points spread over the edges of the 3D box, clipped."""
    share = np.linspace(-0.5, 0.5, 2001)
    points = []
    for axis in range(3):
        for a in (-0.5, 0.5):
            for b in (-0.5, 0.5):
                edge = np.insert(np.full((len(share), 2), (a, b)), axis, share, axis=1)
                points.append(edge)
    unit = np.concatenate(points) * (result.length, result.height, result.width) - (0, result.height / 2, 0)
    camera = unit @ turn_about_y(result.rotation_y).T + result.location
    u, v, depth = PROJECTION @ np.column_stack([camera, np.ones(len(camera))]).T
    ahead = depth >= 0.1
    u, v = (u / depth)[ahead].clip(0, size[0] - 1), (v / depth)[ahead].clip(0, size[1] - 1)
    return [u.min(), v.min(), u.max(), v.max()]


def turn_about_y(angle: float) -> npt.NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([(cos, 0, sin), (0, 1, 0), (-sin, 0, cos)])


def test_results_are_the_boxes_seen_from_the_camera(calibration: Calibration) -> None:
    boxes = random_boxes(0, 200)
    results = to_results(detected(boxes), CLASSES, calibration, (10_000_000, 10_000_000))
    by_score = {result.score: result for result in results}
    back = lidar_boxes(results, calibration)
    kept = [k for k, score in enumerate(detected(boxes).scores.tolist()) if round(score, 6) in by_score]
    assert len(kept) == len(results) > 60
    np.testing.assert_allclose(back[:, :6], boxes[kept, :6], atol=2e-4)
    np.testing.assert_allclose(np.cos(back[:, 6] - boxes[kept, 6]), 1.0, atol=1e-6)
    assert [result.type for result in results] == [CLASSES[k % 2] for k in kept]
    assert {(result.truncated, result.occluded) for result in results} == {(-1.0, -1)}


@pytest.mark.parametrize("size", [IMAGE_SIZE, (1224, 370), (700, 250)])
def test_2d_boxes_hold_just_what_the_3d_boxes_show(calibration: Calibration, size: tuple[int, int]) -> None:
    results = to_results(detected(random_boxes(1, 80)), CLASSES, calibration, size)
    assert len(results) > 10
    for result in results:
        np.testing.assert_allclose(result.bbox, seen_extent(result, size), atol=0.1)


def test_a_box_beside_the_camera_reaches_to_the_border(calibration: Calibration) -> None:
    """Some of its corners are behind the camera, where the projection is inverted."""
    box = np.array([[1.0, -2.2, -0.8, 4.5, 1.8, 1.5, 0.0]], np.float32)
    (result,) = to_results(detected(box), CLASSES, calibration)
    assert result.bbox[2:] == (IMAGE_SIZE[0] - 1, IMAGE_SIZE[1] - 1)
    np.testing.assert_allclose(result.bbox, seen_extent(result, IMAGE_SIZE), atol=1.0)


@pytest.mark.parametrize(
    ("position", "seen"),
    [((20, 0, 0), True), ((-20, 0, 0), False), ((20, 40, 0), False), ((20, -40, 0), False), ((20, 0, 30), False)],
)
def test_what_the_image_does_not_show_is_left_out(
    calibration: Calibration, position: tuple[float, float, float], seen: bool
) -> None:
    box = np.array([[*position, 4.0, 2.0, 1.5, 0.3]], np.float32)
    assert len(to_results(detected(box), CLASSES, calibration)) == seen


def test_nothing_detected_is_no_result(calibration: Calibration) -> None:
    assert to_results(Detections.empty(), CLASSES, calibration) == []


def test_alpha_is_the_rotation_as_seen_along_the_ray(calibration: Calibration) -> None:
    for result in to_results(detected(random_boxes(2, 60)), CLASSES, calibration):
        expected = result.rotation_y - math.atan2(result.location[0], result.location[2])
        assert math.cos(result.alpha - expected) == pytest.approx(1.0, abs=1e-6)
        assert -math.pi - 1e-4 <= result.alpha <= math.pi
        assert -math.pi - 1e-4 <= result.rotation_y <= math.pi


@needs_shared_data
def test_labels_of_kitti_survive_the_way_to_the_lidar_and_back() -> None:
    """Positions and angles exactly; 2D boxes, which people drew, about."""
    pairs = []
    for frame in find_frames(KITTI / "training" / "velodyne"):
        calibration = frame.read_calibration()
        labels = [o for o in frame.read_labels() or [] if o.type == "Car"]
        if calibration is None or not labels:
            continue
        boxes = lidar_boxes(labels, calibration)
        found = Detections(boxes, np.linspace(1, 0.1, len(boxes)).astype(np.float32), np.zeros(len(boxes), np.int32))
        results = to_results(found, CLASSES, calibration)
        assert len(results) == len(labels), "a labelled car is seen in the image"
        pairs += list(zip(labels, results, strict=True))
    assert len(pairs) > 50
    overlaps = []
    for label, result in pairs:
        np.testing.assert_allclose(result.location, label.location, atol=1e-3)
        assert math.cos(result.rotation_y - label.rotation_y) == pytest.approx(1.0, abs=1e-6)
        assert math.cos(result.alpha - label.alpha) > 0.999
        overlaps.append(image_iou(label.bbox, result.bbox))
    assert np.median(overlaps) > 0.9
    assert np.mean(np.array(overlaps) > 0.7) > 0.95


def image_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, width) * max(0.0, height)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
