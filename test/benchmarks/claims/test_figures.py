# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calculations behind the claims."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.claims.claim import (
    BOX_TOLERANCE,
    SCORE_FLOOR,
    SCORE_TOLERANCE,
    Claim,
    agree,
    growth_by_step,
    tally,
)
from pointpillars_ov_ros.cli.measurement.ratios import Estimate
from pointpillars_ov_ros.core.detections import Detections


@pytest.mark.parametrize(
    ("figure", "at_most", "is_met"),
    [(1.04, True, True), (1.05, True, True), (1.051, True, False), (1.04, False, False), (1.05, False, True)],
)
def test_a_limit_is_met_on_its_side_and_when_reached(figure: float, at_most: bool, is_met: bool) -> None:
    claim = Claim("a claim", figure, 1.05, at_most=at_most)
    assert claim.is_met is is_met
    assert claim.cells()[-1] == ("met" if is_met else "MISSED")


def test_a_line_tells_figure_bounds_limit_and_verdict() -> None:
    claim = Claim.of("host part", Estimate(3.14159, 3.0, 4.25, 55), 4.0, "how", " ms")
    assert claim.cells() == ["host part", "3.142 ms", "3 to 4.25", "<= 4 ms", "met"]
    missed = Claim("frames a second", 0.5, 0.97, at_most=False)
    assert missed.cells() == ["frames a second", "0.5", "", ">= 0.97", "MISSED"]


def test_what_is_only_measured_is_neither_met_nor_missed() -> None:
    measured = Claim("cold start", 21.0, unit=" s")
    assert measured.cells() == ["cold start", "21 s", "", "", "measured"]
    claims = [Claim("a", 1.0, 2.0), Claim("b", 3.0, 2.0), measured, Claim("c", 2.0, 2.0)]
    assert tally(claims) == "2 met, 1 missed"


def test_growth_is_that_of_time_by_that_of_points_within_a_round() -> None:
    # The second round met a machine twice as slow, and the third a disturbance at the second size.
    rounds_ms = [[1.0, 1.5, 6.0], [2.0, 3.0, 12.0], [1.0, 9.0, 6.0]]
    steps = growth_by_step([10, 20, 40], rounds_ms)
    assert [step.value for step in steps] == pytest.approx([0.75, 2.0])
    assert [step.count for step in steps] == [3, 3]


def test_what_grows_as_the_points_do_has_growth_1() -> None:
    points = [10_000, 30_000, 60_000]
    assert [s.value for s in growth_by_step(points, [[size / 1000 for size in points]])] == pytest.approx([1.0, 1.0])


CAR = (10.0, -3.0, -1.0, 3.9, 1.6, 1.5, 0.3)
OTHER = (30.0, 5.0, -1.0, 3.8, 1.7, 1.6, math.pi - 0.01)


def detections(
    *boxes: tuple[float, ...], scores: tuple[float, ...] = (0.9, 0.6), labels: tuple[int, ...] = (0, 0)
) -> Detections:
    size = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 7),
        np.array(scores[:size], np.float32),
        np.array(labels[:size], np.int32),
    )


def moved(box: tuple[float, ...], index: int, by: float) -> tuple[float, ...]:
    return (*box[:index], box[index] + by, *box[index + 1 :])


@pytest.mark.parametrize("index", range(7))
@pytest.mark.parametrize(("by", "same"), [(0.8 * BOX_TOLERANCE, True), (1.2 * BOX_TOLERANCE, False)])
def test_boxes_agree_within_the_tolerance(index: int, by: float, same: bool) -> None:
    ours, theirs = detections(CAR, OTHER), detections(moved(CAR, index, by), OTHER)
    assert agree(ours, theirs) is agree(theirs, ours) is same


def test_a_yaw_that_goes_round_is_the_same_one() -> None:
    assert agree(detections(OTHER), detections(moved(OTHER, 6, 0.02 - 2 * math.pi)))
    assert not agree(detections(OTHER), detections(moved(OTHER, 6, -math.pi)))


def test_order_among_detections_does_not_matter() -> None:
    assert agree(detections(CAR, OTHER), detections(OTHER, CAR, scores=(0.6, 0.9)))


@pytest.mark.parametrize("others", [detections(CAR), detections(), detections(CAR, OTHER, labels=(0, 1))])
def test_one_that_is_missing_or_of_another_class_is_no_agreement(others: Detections) -> None:
    assert not agree(detections(CAR, OTHER), others)
    assert not agree(others, detections(CAR, OTHER))


def test_scores_agree_within_the_tolerance() -> None:
    assert agree(detections(CAR), detections(CAR, scores=(0.9 - 0.8 * SCORE_TOLERANCE,)))
    assert not agree(detections(CAR), detections(CAR, scores=(0.9 - 1.2 * SCORE_TOLERANCE,)))


def test_a_weak_detection_may_be_missing_but_not_a_strong_one_be_weak() -> None:
    below = SCORE_FLOOR - 0.01
    assert agree(detections(CAR, OTHER, scores=(0.9, below)), detections(CAR))
    assert agree(detections(CAR, scores=(SCORE_FLOOR,)), detections(CAR, scores=(below,)))
    assert not agree(detections(CAR, scores=(0.8,)), detections(CAR, scores=(below,)))


def test_nothing_agrees_with_nothing() -> None:
    assert agree(detections(), detections())
