# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Found, missed and false: every way a detection can meet the ground truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.kitti.labels import KittiObject
from pointpillars_ov_ros.kitti.matching import Tally, count_points, match_by_distance, split_wanted
from test.builders import tiny_grid

Boxes = npt.NDArray[np.float32]


def boxes_at(*positions: tuple[float, float]) -> Boxes:
    boxes = np.ones((len(positions), 7), np.float32)
    boxes[:, :2] = np.array(positions, np.float32).reshape(-1, 2)
    return boxes


NONE = boxes_at()


@pytest.mark.parametrize(
    ("detected", "wanted", "ignored", "tally"),
    [
        (NONE, NONE, NONE, Tally(0, 0, 0)),
        (NONE, boxes_at((0, 0)), NONE, Tally(0, 1, 0)),
        (boxes_at((0, 0)), NONE, NONE, Tally(0, 0, 1)),
        (boxes_at((0.6, 0.7)), boxes_at((0, 0)), NONE, Tally(1, 0, 0)),
        (boxes_at((0.8, 0.7)), boxes_at((0, 0)), NONE, Tally(0, 1, 1)),
        (boxes_at((1, 0)), boxes_at((0, 0)), NONE, Tally(1, 0, 0)),
        (boxes_at((0, 0), (0.1, 0)), boxes_at((0, 0)), NONE, Tally(1, 0, 1)),
        (boxes_at((0, 0), (0.1, 0)), boxes_at((0, 0), (0.9, 0)), NONE, Tally(2, 0, 0)),
        (boxes_at((0, 0)), NONE, boxes_at((0.5, 0)), Tally(0, 0, 0)),
        (boxes_at((0, 0)), NONE, boxes_at((1.5, 0)), Tally(0, 0, 1)),
        (boxes_at((0, 0)), boxes_at((0.9, 0)), boxes_at((0, 0)), Tally(1, 0, 0)),
        (boxes_at((0, 0), (0, 0)), NONE, boxes_at((0, 0)), Tally(0, 0, 0)),
        (boxes_at((0, 0), (5, 5)), boxes_at((5, 5), (9, 9)), boxes_at((0, 0)), Tally(1, 1, 0)),
    ],
)
def test_detections_are_matched_as_drawn(detected: Boxes, wanted: Boxes, ignored: Boxes, tally: Tally) -> None:
    assert match_by_distance(detected, wanted, ignored) == tally


def test_the_better_scored_detection_takes_the_nearest_object() -> None:
    """The second one is left with an object that is too far for it."""
    detected, wanted = boxes_at((0.5, 0), (0, 0)), boxes_at((0, 0), (1.4, 0))
    assert match_by_distance(detected, wanted, NONE) == Tally(1, 1, 1)


def test_a_detection_takes_the_nearest_of_several_objects_within_reach() -> None:
    """The first one leaves the farther object, which the second one alone could not share."""
    detected, wanted = boxes_at((0.6, 0), (-0.9, 0)), boxes_at((0, 0), (1, 0))
    assert match_by_distance(detected, wanted, NONE) == Tally(2, 0, 0)


def test_height_does_not_count() -> None:
    high = boxes_at((0, 0))
    high[:, 2] = 50
    assert match_by_distance(high, boxes_at((0, 0)), NONE) == Tally(1, 0, 0)


@pytest.mark.parametrize("reach", [0.5, 1.0, 3.0])
def test_the_reach_of_a_match_is_as_asked(reach: float) -> None:
    detected, wanted = boxes_at((0, 0)), boxes_at((2.0, 0))
    assert match_by_distance(detected, wanted, NONE, reach).found == (reach >= 2.0)


@pytest.mark.parametrize("seed", range(5))
def test_every_object_is_either_found_or_missed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detected, wanted, ignored = (boxes_at(*map(tuple, rng.uniform(0, 8, (count, 2)))) for count in (20, 15, 5))
    tally = match_by_distance(detected, wanted, ignored)
    assert tally.found + tally.missed == 15
    assert tally.found + tally.false <= 20


def labelled(*kinds: str) -> list[KittiObject]:
    return [KittiObject(kind, 0, 0, 0, (0, 0, 0, 0), 1, 1, 1, (0, 0, 0), 0) for kind in kinds]


def test_objects_are_split_by_type_and_by_range() -> None:
    grid = tiny_grid()
    kinds = ("Car", "Car", "Van", "Truck", "Pedestrian", "DontCare", "Car")
    boxes = boxes_at((1, 0), (50, 0), (1, 1), (60, 0), (2, 0), (2, 1), (3, -1.5))
    wanted, ignored = split_wanted(labelled(*kinds), boxes, "Car", grid)
    assert wanted[:, 0].tolist() == [1, 3]
    assert ignored[:, 0].tolist() == [50, 1, 60]


@pytest.mark.parametrize(
    ("position", "inside"),
    [((0, -1.6), True), ((3.84, 0), False), ((0, 1.6), False), ((3.8, 1.5), True), ((-0.1, 0), False)],
)
def test_the_borders_of_the_range_are_those_of_the_grid(position: tuple[float, float], inside: bool) -> None:
    wanted, ignored = split_wanted(labelled("Car"), boxes_at(position), "Car", tiny_grid())
    assert (len(wanted), len(ignored)) == ((1, 0) if inside else (0, 1))


def test_a_frame_without_objects_is_split_into_nothing() -> None:
    wanted, ignored = split_wanted([], NONE, "Car", tiny_grid())
    assert wanted.shape == ignored.shape == (0, 7)


def test_the_points_in_boxes_are_counted_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-4, 4, (3000, 4)).astype(np.float32)
    boxes = rng.uniform((-3, -3, -1, 0.5, 0.5, 0.5, -4), (3, 3, 1, 4, 2, 2, 4), (12, 7)).astype(np.float32)

    def is_inside(point: Boxes, box: Boxes) -> bool:
        turn = complex(*(point[:2] - box[:2])) * np.exp(-1j * box[6])
        return 2 * abs(turn.real) <= box[3] and 2 * abs(turn.imag) <= box[4] and 2 * abs(point[2] - box[2]) <= box[5]

    counted = count_points(points, boxes)
    assert counted.tolist() == [sum(is_inside(point, box) for point in points) for box in boxes]
    assert counted.min() > 0
    assert count_points(points[:0], boxes).tolist() == [0] * 12 and not len(count_points(points, NONE))
