# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Found, missed and false at a score: every way that a detection can meet the ground truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.kitti.counting import Count, count_found, explain_uncounted
from pointpillars_ov_ros.kitti.evaluation_data import pack_objects
from pointpillars_ov_ros.kitti.evaluation_rules import ANY_DIFFICULTY, CLASS_RULES, DIFFICULTIES
from test.kitti.scenes import Frames, an_object, dont_care, random_frames

CAR, VAN, HIDDEN = an_object("Car"), an_object("Van"), an_object("Car", occluded=3)
FOUND = CAR._replace(score=0.8)
BESIDE = an_object("Car", (2.6, 1.7, 15.5), score=0.8)
"""Overlaps the car by more than 0.3, and by less than the 0.7 that AP wants."""
AWAY = an_object("Car", (-8.0, 1.7, 20.0), score=0.8)


def count(truth: Frames, found: Frames, scores: tuple[float, ...] = (0.5,), overlap: float = 0.3) -> list[Count]:
    return count_found(pack_objects(truth), pack_objects(found), CLASS_RULES[:1], scores, overlap, DIFFICULTIES[-1])


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([CAR], [], (0, 1, 0)),
        ([CAR], [FOUND], (1, 0, 0)),
        ([CAR], [BESIDE], (1, 0, 0)),
        ([CAR], [AWAY], (0, 1, 1)),
        ([CAR], [FOUND, BESIDE], (1, 0, 1)),
        ([CAR], [FOUND._replace(score=0.4)], (0, 1, 0)),
        ([CAR], [FOUND._replace(type="Pedestrian")], (0, 1, 0)),
        ([VAN], [FOUND], (0, 0, 0)),
        ([HIDDEN], [], (0, 0, 0)),
        ([HIDDEN], [FOUND], (0, 0, 0)),
        ([dont_care(AWAY.bbox)], [AWAY], (0, 0, 0)),
        ([CAR, dont_care(AWAY.bbox)], [FOUND, AWAY], (1, 0, 0)),
        ([CAR, dont_care(AWAY.bbox)], [BESIDE], (1, 0, 0)),
    ],
)
def test_a_frame(truth: list, found: list, expected: tuple[int, int, int]) -> None:
    (got,) = count([truth], [found])
    assert (got.found, got.missed, got.false) == expected


LOW = FOUND._replace(bbox=(100.0, 100.0, 200.0, 124.9))
"""A detection of the car's box that is lower than 25 px in the image."""


def test_an_object_that_only_a_low_detection_answers_is_neither_found_nor_missed() -> None:
    """As in KITTI's kit, the detection is ignored, and so is its object."""
    (got,) = count([[CAR]], [[LOW]])
    assert (got.found, got.missed, got.false) == (0, 0, 0)
    (got,) = count([[CAR, an_object("Car", (-8.0, 1.7, 20.0))]], [[LOW]])
    assert (got.found, got.missed, got.false) == (0, 1, 0)


def test_labels_that_do_not_count_are_counted_with_the_reason() -> None:
    low, none = CAR._replace(bbox=(0.0, 0.0, 50.0, 25.0)), CAR._replace(bbox=(0.0,) * 4)
    cut = an_object("Car", truncated=0.6)
    truth = pack_objects([[CAR, low, VAN, HIDDEN], [none, none, cut, low, an_object("Pedestrian")]])
    car, pedestrian, cyclist = CLASS_RULES
    assert explain_uncounted(truth, (car, pedestrian, cyclist), DIFFICULTIES[-1]) == [
        "of 7 labelled Car 1 count at hard: 2 have an empty 2D box, 2 are not higher than 25 px in the image, "
        "1 are occluded by more than 2, 1 are truncated by more than 0.5"
    ]
    assert explain_uncounted(truth, (car,), ANY_DIFFICULTY) == []
    nobody = pack_objects([[none, none]])
    (sentence,) = explain_uncounted(nobody, (car,), DIFFICULTIES[-1])
    assert sentence == "of 2 labelled Car none count at hard: 2 have an empty 2D box"


def test_a_stricter_overlap_makes_a_shifted_box_false() -> None:
    (got,) = count([[CAR]], [[BESIDE]], overlap=0.7)
    assert (got.found, got.missed, got.false) == (0, 1, 1)


def test_frames_and_scores_add_up() -> None:
    region = dont_care(AWAY.bbox)
    truth = [[CAR], [CAR, region], [], [region, CAR]]
    found = [[FOUND, AWAY], [AWAY, BESIDE], [AWAY._replace(score=0.6)], []]
    low, high = count(truth, found, (0.5, 0.7))
    assert low == Count("Car", 0.5, 2, 1, 2)
    assert high == Count("Car", 0.7, 2, 1, 1)
    assert (low.precision, low.recall) == (0.5, pytest.approx(2 / 3))


def test_frames_counted_together_are_the_sum_of_frames_counted_alone() -> None:
    truth, found = random_frames(np.random.default_rng(3), 60)
    scores = (0.2, 0.6)
    alone = [count([t], [f], scores) for t, f in zip(truth, found, strict=True)]
    sums = [tuple(sum(counts[k][field] for counts in alone) for field in (2, 3, 4)) for k in range(len(scores))]
    assert [tuple(one[2:]) for one in count(truth, found, scores)] == sums
    assert min(map(min, sums)) > 0


def test_shares_of_nothing_are_no_numbers() -> None:
    (got,) = count([[]], [[]])
    assert math.isnan(got.precision) and math.isnan(got.recall)
