# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels: who is hidden by whom, what the camera sees, and KITTI's difficulties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.core.detections import box_corners
from pointpillars_ov_ros.kitti import calibration, evaluation_rules
from pointpillars_ov_ros.kitti.projection import project_boxes
from pointpillars_ov_ros.synthetic import camera
from pointpillars_ov_ros.synthetic.labels import IGNORED, LIMITS, UNSEEN, grade, occlusion_levels
from pointpillars_ov_ros.synthetic.world.scene import Placement
from test.synthetic.scenes import cuboid, ideal_sensor, look

CAR = cuboid(4.0, 1.7, 1.5)
FINE = ideal_sensor(azimuth_step_deg=0.2)


def parked(x: float, y: float = 0.0, identity: int = 1) -> Placement:
    return Placement(CAR, x, y, 0.0, 0.0, "Car", identity)


def wall(x: float, y: float, width: float) -> Placement:
    return Placement(cuboid(0.2, width, 6.0), x, y, 0.0, 0.0)


def test_an_object_in_the_open_is_wholly_visible() -> None:
    labels = look([parked(15.0)], FINE).labels
    assert (labels.names, labels.visible[0], labels.occlusion[0]) == (("Car",), 1.0, 0)
    np.testing.assert_allclose(labels.boxes[0], [15.0, 0.0, -1.7 + 0.75, 4.0, 1.7, 1.5, 0.0], atol=1e-6)


def test_an_object_behind_a_wall_has_no_points_and_is_unseen() -> None:
    frame = look([parked(15.0), wall(8.0, 0.0, 10.0)], FINE)
    assert (frame.labels.points[0], frame.labels.visible[0], frame.labels.occlusion[0]) == (0, 0.0, UNSEEN)
    assert not (frame.identities == 1).any()
    assert frame.labels.difficulty[0] == IGNORED


@pytest.mark.parametrize(("hidden", "level"), [(0.1, 0), (0.35, 1), (0.75, 2)])
def test_an_object_half_behind_a_wall_is_occluded_by_that_much(hidden: float, level: int) -> None:
    # Of the rear, 13 m away and 1.7 m wide, the part at y below `edge`; the wall is at half the way.
    edge = -0.85 + hidden * 1.7
    labels = look([parked(15.0), wall(6.6, edge / 2 - 5.0, 10.0)], FINE).labels
    assert labels.visible[0] == pytest.approx(1.0 - hidden, abs=0.08)
    assert labels.occlusion[0] == level


def test_one_car_hides_another() -> None:
    labels = look([parked(8.0, identity=1), parked(16.0, identity=2)], FINE).labels
    assert labels.identities.tolist() == [1, 2]
    assert labels.visible[0] == 1.0
    assert labels.visible[1] < 0.5


def test_an_object_beyond_the_range_has_no_label() -> None:
    assert look([parked(60.0)], ideal_sensor(max_range=50.0)).labels.names == ()


def test_levels_of_occlusion_are_cut_where_they_should_be() -> None:
    visible = np.array([1.0, 0.75, 0.74, 0.5, 0.49, 0.01, 0.0])
    assert occlusion_levels(visible).tolist() == [0, 0, 1, 1, 2, 2, UNSEEN]


@pytest.mark.parametrize(
    ("height", "occlusion", "truncation", "difficulty"),
    [
        (41, 0, 0.0, 0), (41, 0, 0.15, 0), (40, 0, 0.0, 1), (41, 1, 0.0, 1), (41, 0, 0.2, 1), (26, 1, 0.3, 1),
        (26, 2, 0.0, 2), (26, 0, 0.5, 2), (25, 0, 0.0, IGNORED), (90, 3, 0.0, IGNORED), (90, 0, 0.6, IGNORED),
    ],
)  # fmt: skip
def test_difficulty_is_the_first_of_kittis_that_counts(
    height: float, occlusion: int, truncation: float, difficulty: int
) -> None:
    boxes = np.array([[0.0, 100.0, 50.0, 100.0 + height]])
    assert grade(boxes, np.array([occlusion], np.int32), np.array([truncation])).tolist() == [difficulty]


def test_limits_and_image_are_those_that_are_evaluated_with() -> None:
    kittis = [(d.min_height, d.max_occlusion, d.max_truncation) for d in evaluation_rules.DIFFICULTIES]
    assert list(LIMITS) == kittis
    assert camera.IMAGE_SIZE == calibration.IMAGE_SIZE


def random_boxes(count: int) -> np.ndarray:
    rng = np.random.default_rng(6)
    low, high = [-20, -30, -3, 0.5, 0.5, 0.5, -math.pi], [60, 30, 1, 8, 3, 3, math.pi]
    return rng.uniform(low, high, (count, 7))


def test_boxes_are_projected_as_the_evaluation_projects_them() -> None:
    boxes = random_boxes(500)
    image_boxes, truncation = camera.project(boxes)
    bottoms = boxes[:, :3] - boxes[:, 5:6] * (0.0, 0.0, 0.5)
    locations = bottoms @ camera.T_CAMERA_LIDAR[:3, :3].T + camera.T_CAMERA_LIDAR[:3, 3]
    made = calibration.Calibration(camera.PROJECTION, camera.T_CAMERA_LIDAR)
    rotations = -boxes[:, 6] - math.pi / 2
    expected = project_boxes(locations, boxes[:, [5, 4, 3]], rotations, made, camera.IMAGE_SIZE)
    seen = (expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])
    assert seen.sum() > 100
    np.testing.assert_allclose(image_boxes[seen], expected[seen], atol=1e-6)
    assert (truncation[~seen] == 1.0).all()
    assert ((truncation[seen] >= 0.0) & (truncation[seen] < 1.0)).all()


def test_truncation_is_the_share_of_the_image_of_a_box_that_is_cut_off() -> None:
    flat = np.array([[20.27, 0.0, 0.0, 1e-6, 2.0, 1.0, 0.0]])
    _, whole = camera.project(flat)
    assert whole[0] == pytest.approx(0.0, abs=1e-9)
    # Its middle is where the image's left edge is.
    flat[0, 1] = 20.0 * camera.CENTRE[0] / camera.FOCAL_LENGTH
    _, half = camera.project(flat)
    assert half[0] == pytest.approx(0.5, abs=1e-4)


def test_corners_and_alpha_follow_the_yaw() -> None:
    box = np.array([[10.0, 0.0, 0.0, 4.0, 2.0, 1.0, math.pi / 2]])
    front_left_top = box_corners(box)[0, 0b111]
    np.testing.assert_allclose(front_left_top, [9.0, 2.0, 0.5], atol=1e-12)
    # Straight ahead and driving away, a car is seen at KITTI's alpha of -90 degrees.
    assert camera.alpha_of(np.array([[10.0, 0, 0, 4, 2, 1, 0]]))[0] == pytest.approx(-math.pi / 2)
