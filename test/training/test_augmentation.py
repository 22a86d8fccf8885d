# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: boxes keep their points, and their yaw turns with them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.training.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    augment,
    drop,
    flip,
    make_bank,
    paste,
    rescale,
    rotate,
    tilt,
)
from pointpillars_ov_ros.training.geometry import count_points, find_owners, wrap_angle
from pointpillars_ov_ros.training.scenes import LabelledScene
from test.training.scenes import TinyScenes, points_in

SOURCE = TinyScenes()
SCENE = SOURCE.scene(1)
BANK = make_bank([SOURCE.scene(seed) for seed in range(10, 16)], 2)

CHANGES = {
    "flip": flip,
    "rotate": lambda scene: rotate(scene, 0.7),
    "rotate back": lambda scene: rotate(scene, -2.9),
    "tilt": lambda scene: tilt(scene, 0.02, -0.015, 0.1),
    "rescale": lambda scene: rescale(scene, 1.07),
    "all": lambda scene: augment(scene, Augmentation(paste=(0, 0), dropout=0.0), BANK, np.random.default_rng(2)),
}


def front_of(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return how far ahead of the middle of a box points are, relative to its length."""
    ahead = np.cos(box[6]) * (points[:, 0] - box[0]) + np.sin(box[6]) * (points[:, 1] - box[1])
    return ahead / box[3]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_boxes_keep_their_points(change) -> None:
    before = find_owners(SCENE.points, SCENE.boxes, 0.0)
    after = change(SCENE)
    # A box stays upright where the ground tilts, so that its ends are a little lower and higher than they were.
    np.testing.assert_array_equal(find_owners(after.points, after.boxes, 0.045), before)
    assert (np.bincount(before + 1)[1:] >= 60).all()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_front_stays_the_front(change) -> None:
    owners, after = find_owners(SCENE.points, SCENE.boxes, 0.0), change(SCENE)
    for k, (old, new) in enumerate(zip(SCENE.boxes, after.boxes, strict=True)):
        expected = front_of(old, SCENE.points[owners == k])
        np.testing.assert_allclose(front_of(new, after.points[owners == k]), expected, atol=1e-4)
        assert -math.pi <= new[6] < math.pi


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_changed_is_a_copy(change) -> None:
    points, boxes = SCENE.points.copy(), SCENE.boxes.copy()
    change(SCENE)
    np.testing.assert_array_equal(SCENE.points, points)
    np.testing.assert_array_equal(SCENE.boxes, boxes)


def test_mirrored_twice_a_scene_is_as_before() -> None:
    twice = flip(flip(SCENE))
    np.testing.assert_allclose(twice.boxes, SCENE.boxes, atol=1e-6)
    np.testing.assert_array_equal(twice.points, SCENE.points)


def test_nothing_changes_nothing() -> None:
    same = augment(SCENE, NO_AUGMENTATION, (), np.random.default_rng(0))
    np.testing.assert_array_equal(same.points, SCENE.points)
    np.testing.assert_allclose(same.boxes, SCENE.boxes, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_pasted_objects_touch_nothing_and_hold_their_points_alone(seed: int) -> None:
    scene = SOURCE.scene(100 + seed)
    pasted = paste(scene, (3, 3), BANK, np.random.default_rng(seed))
    assert len(pasted.boxes) == len(pasted.labels) <= len(scene.boxes) + 6
    np.testing.assert_array_equal(pasted.boxes[: len(scene.boxes)], scene.boxes)
    for k, box in enumerate(pasted.boxes):
        assert all(iou_bev(box, other) == 0.0 for other in pasted.boxes[:k])
    counts = count_points(pasted.points, pasted.boxes)
    for k in range(len(scene.boxes), len(pasted.boxes)):
        match = [one for one in BANK[pasted.labels[k]] if np.array_equal(one.box[:2], pasted.boxes[k, :2])]
        assert len(match) == 1 and counts[k] == len(match[0].points)


def bare_scene(slope: float) -> LabelledScene:
    """Return a scene of only ground that rises along x."""
    random = np.random.default_rng(0)
    points = np.zeros((4000, 4), np.float32)
    points[:, 0], points[:, 1] = random.uniform(-5.0, 15.0, 4000), random.uniform(-8.0, 8.0, 4000)
    points[:, 2] = -1.2 + slope * points[:, 0]
    return LabelledScene(points, SCENE.boxes[:0], SCENE.labels[:0])


@pytest.mark.parametrize("slope", [0.0, 0.03])
def test_something_is_pasted_and_stands_on_the_ground(slope: float) -> None:
    pasted = paste(bare_scene(slope), (3, 3), BANK, np.random.default_rng(0))
    assert len(pasted.boxes) >= 2
    for box in pasted.boxes:
        assert box[2] - box[5] / 2 == pytest.approx(-1.2 + slope * box[0], abs=0.06)
    assert (count_points(pasted.points, pasted.boxes) >= 60).all()


def test_nothing_is_pasted_where_no_ground_is_seen() -> None:
    empty = LabelledScene(SCENE.points[:0], SCENE.boxes[:0], SCENE.labels[:0])
    assert len(paste(empty, (3, 3), BANK, np.random.default_rng(0)).boxes) == 0
    steep = bare_scene(1.0)
    assert len(paste(steep, (3, 3), BANK, np.random.default_rng(0)).boxes) == 0


def test_a_tilt_raises_what_is_ahead_and_to_the_left() -> None:
    points = np.array([[10.0, 0.0, 1.0, 0.5], [0.0, 10.0, 1.0, 0.5]], np.float32)
    tilted = tilt(LabelledScene(points, SCENE.boxes, SCENE.labels), 0.02, 0.01, -0.1)
    np.testing.assert_allclose(tilted.points[:, 2], [1.1, 1.0], atol=1e-6)
    np.testing.assert_array_equal(tilted.points[:, [0, 1, 3]], points[:, [0, 1, 3]])
    expected = SCENE.boxes[:, 2] + 0.02 * SCENE.boxes[:, 0] + 0.01 * SCENE.boxes[:, 1] - 0.1
    np.testing.assert_allclose(tilted.boxes[:, 2], expected, atol=1e-6)


def test_a_share_of_the_points_is_dropped_and_no_box() -> None:
    scene = bare_scene(0.0)
    dropped = drop(scene, 0.3, np.random.default_rng(1))
    assert len(dropped.points) / len(scene.points) == pytest.approx(0.7, abs=0.03)
    half = [len(augment(scene, Augmentation(paste=()), (), np.random.default_rng(k)).points) for k in range(40)]
    assert 10 <= sum(count == len(scene.points) for count in half) <= 30
    assert min(half) < 0.75 * len(scene.points)


def test_the_bank_leaves_out_what_has_few_points() -> None:
    few = points_in(SCENE.boxes[0], 4, np.random.default_rng(0)).astype(np.float32)
    assert make_bank([LabelledScene(few, SCENE.boxes, SCENE.labels)], 2) == ((), ())


def test_points_on_borders_and_outside() -> None:
    box = np.array([[1.0, 2.0, 0.0, 4.0, 2.0, 2.0, math.pi / 2]], np.float32)
    inside = [[1.0, 3.9, 0.0, 0], [1.9, 2.0, 0.9, 0]]
    outside = [[1.0, 4.2, 0, 0], [2.2, 2, 0, 0], [1, 2, 1.1, 0]]
    owners = find_owners(np.array(inside + outside, np.float32), box, 0.0)
    np.testing.assert_array_equal(owners, [0, 0, -1, -1, -1])
    assert (find_owners(np.array(outside, np.float32), box, 0.3) == 0).all()


def test_angles_are_wrapped() -> None:
    angles = np.array([0.0, 3.5, -3.5, 7.0], np.float32)
    expected = [0.0, 3.5 - 2 * math.pi, 2 * math.pi - 3.5, 7.0 - 2 * math.pi]
    np.testing.assert_allclose(wrap_angle(angles), expected, atol=1e-6)
