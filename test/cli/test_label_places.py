# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of pictures do not cover each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pointpillars_ov_ros.cli.label_places import Rectangle, place_labels

BOUNDS = Rectangle(0.0, 0.0, 1000.0, 800.0)
DISTANCES = (8.0, 20.0, 40.0, 80.0)


@pytest.mark.parametrize("spread", [4.0, 40.0, 150.0])
def test_in_a_crowd_no_label_covers_another_and_most_have_a_place(spread: float) -> None:
    rng = np.random.default_rng(1)
    anchors = rng.normal((500, 400), spread, (20, 2))
    sizes = np.column_stack([rng.uniform(40, 90, 20), np.full(20, 11.0)])
    legend = Rectangle(880.0, 700.0, 990.0, 790.0)
    placed = place_labels(anchors, sizes, DISTANCES, [], [legend], BOUNDS)
    there = [place for place in placed if place is not None]
    assert all(one.overlap(other) == 0.0 for one, other in combinations([*there, legend], 2))
    assert placed[0] is not None and len(there) >= (12 if spread < 10 else 20)
    for place, (width, height) in zip(placed, sizes, strict=True):
        if place is not None:
            assert (place.right - place.left, place.top - place.bottom) == pytest.approx((width, height))
            assert BOUNDS.overlap(place) == pytest.approx(width * height)


def test_a_label_alone_stands_right_above_and_gives_way_to_what_it_would_cover() -> None:
    anchors, sizes = np.array([(100.0, 100.0)]), np.array([(50.0, 10.0)])
    (place,) = place_labels(anchors, sizes, DISTANCES, [], [], BOUNDS)
    assert place == Rectangle(108.0, 108.0, 158.0, 118.0)
    (place,) = place_labels(anchors, sizes, DISTANCES, [Rectangle(105.0, 105.0, 160.0, 125.0)], [], BOUNDS)
    assert place == Rectangle(42.0, 108.0, 92.0, 118.0)


def test_where_no_place_is_free_there_is_no_label() -> None:
    anchors, sizes = np.array([(100.0, 100.0)]), np.array([(50.0, 10.0)])
    assert place_labels(anchors, sizes, DISTANCES, [], [BOUNDS], BOUNDS) == [None]
    assert place_labels(anchors + 5000.0, sizes, DISTANCES, [], [], BOUNDS) == [None]
    assert place_labels(anchors[:0], sizes[:0], DISTANCES, [], [], BOUNDS) == []
