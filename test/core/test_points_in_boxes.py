# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points in boxes against the slow twin."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from test.builders import Points
from test.reference import points_in_boxes as slow


def random_boxes(rng: np.random.Generator, count: int) -> Points:
    low, high = (-8, -8, -2, 0.2, 0.2, 0.2, -np.pi), (8, 8, 2, 9, 4, 4, np.pi)
    return rng.uniform(low, high, (count, 7)).astype(np.float32)


@pytest.mark.parametrize("boxes", [0, 1, 12])
@pytest.mark.parametrize("points", [0, 1, 3000])
def test_random_points_are_found_as_by_the_twin(points: int, boxes: int) -> None:
    rng = np.random.default_rng(points + boxes)
    cloud = rng.uniform((-12, -12, -3, 0), (12, 12, 3, 1), (points, 4)).astype(np.float32)
    drawn = random_boxes(rng, boxes)
    found = find_boxes(cloud, drawn)
    assert found.dtype == np.int32 and found.tolist() == slow.find_boxes(cloud, drawn)
    if points * boxes > 1000:
        assert (found >= 0).any() and (found < 0).any() and len(set(found.tolist())) > min(boxes, 5)


def test_faces_belong_to_the_box_and_of_two_boxes_the_first_counts() -> None:
    boxes = np.array([(0, 0, 0, 2, 2, 2, 0), (1, 0, 0, 4, 1, 1, 0)], np.float32)
    points = np.array([(1, 1, 1, 0), (0.5, 0, 0, 0), (2.5, 0.5, 0.5, 0), (1.01, 1, 0, 0), (0, 0, 1.01, 0)], np.float32)
    assert find_boxes(points, boxes).tolist() == [0, 0, 1, -1, -1]


def test_points_that_are_none_lie_nowhere() -> None:
    points = np.array([(np.nan, 0, 0, 0), (np.inf, 0, 0, 0), (0, 0, 0, np.nan)], np.float32)
    assert find_boxes(points, np.array([(0, 0, 0, 2, 2, 2, 0.3)], np.float32)).tolist() == [-1, -1, 0]
