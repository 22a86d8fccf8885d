# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching detections, and how far a box moved, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.core.detections import Detections, box_corners
from pointpillars_ov_ros.core.matching import corner_shift, match

BOX = np.array([10.0, -3.0, -1.0, 4.0, 1.6, 1.5, 0.3], np.float32)


def detections(*rows: tuple[float, float, float, int]) -> Detections:
    """Return detections at x, y with score and label."""
    boxes = np.array([[x, y, -1.0, 4.0, 1.6, 1.5, 0.0] for x, y, _, _ in rows], np.float32).reshape(-1, 7)
    scores = np.array([row[2] for row in rows], np.float32)
    return Detections(boxes, scores, np.array([row[3] for row in rows], np.int32))


def moved(**changes: float) -> np.ndarray:
    box = BOX.copy()
    for name, change in changes.items():
        box[("x", "y", "z", "length", "width", "height", "yaw").index(name)] += change
    return box


def test_each_has_the_nearest_free_one_of_its_class() -> None:
    before = detections((0, 0, 0.9, 0), (5, 0, 0.8, 0), (9, 9, 0.7, 1), (20, 0, 0.6, 0))
    after = detections((5.2, 0, 0.9, 0), (0.9, 0, 0.8, 0), (0.1, 0, 0.7, 0), (9, 9, 0.5, 0), (21.1, 0, 0.4, 0))
    matching = match(before, after)
    assert matching.pairs == ((1, 0), (0, 1))
    assert matching.lost == (2, 3)
    assert matching.new == (2, 3, 4)


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_none_match_none(empty: int) -> None:
    some, none = detections((0, 0, 0.9, 0)), Detections.empty()
    before, after = [(none, some), (some, none), (none, none)][empty]
    matching = match(before, after)
    assert matching.pairs == ()
    assert (len(matching.lost), len(matching.new)) == (len(before), len(after))


@pytest.mark.parametrize(
    ("changes", "shift"),
    [
        ({}, 0.0),
        ({"x": 0.3}, 0.3),
        ({"x": 0.3, "y": -0.4}, 0.5),
        ({"z": -0.2}, 0.2),
        ({"length": 0.5}, 0.25),
        ({"width": -0.2}, 0.1),
        ({"length": 0.6, "width": 0.8}, 0.5),
        ({"yaw": np.pi}, 0.0),
        ({"yaw": -2 * np.pi}, 0.0),
        # A chord of the circle through the corners.
        ({"yaw": 0.1}, 2 * np.hypot(2.0, 0.8) * np.sin(0.05)),
    ],
    ids=str,
)
def test_the_shift_is_that_of_the_corner_that_moved_farthest(changes: dict[str, float], shift: float) -> None:
    assert corner_shift(BOX, moved(**changes)) == pytest.approx(shift, abs=2e-6)
    assert corner_shift(moved(**changes), BOX) == pytest.approx(shift, abs=2e-6)


def test_a_box_has_eight_corners_around_its_centre() -> None:
    (box,) = box_corners(np.array([[1.0, 2.0, 3.0, 4.0, 2.0, 6.0, np.pi / 2]], np.float32))
    expected = {(x, y, z) for x in (0.0, 2.0) for y in (0.0, 4.0) for z in (0.0, 6.0)}
    assert {tuple(np.round(corner, 4) + 0.0) for corner in box} == expected
