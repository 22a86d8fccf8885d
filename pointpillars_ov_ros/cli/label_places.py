# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Placement of the labels of a picture, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray

_DIRECTIONS = [(1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)]
"""Directions of a label from its anchor, in order of preference: right and up first."""
_FARTHER = 1.0
"""Cost of a pixel of distance, in square pixels of other things that are covered."""


class Rectangle(NamedTuple):
    """Left, bottom, right, top (pixels)."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Rectangle) -> float:
        """Return the area that both cover (square pixels)."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def place_labels(
    anchors: DoubleArray,
    sizes: DoubleArray,
    distances: Sequence[float],
    things: Sequence[Rectangle],
    taken: Sequence[Rectangle],
    bounds: Rectangle,
) -> list[Rectangle | None]:
    """Return the place of each label, in order of priority; None if no place is free.

    `anchors` (M, 2) is what the labels name, `sizes` (M, 2) their width and height (pixels). A label is placed within
    `bounds`, at one of `distances` (pixels) from its anchor, covers no other label and nothing that is `taken`, and as
    little of `things` as possible.
    """
    placed: list[Rectangle | None] = []
    closed = list(taken)
    for anchor, size in zip(anchors, sizes, strict=True):
        best: Rectangle | None = None
        least = np.inf
        for distance in distances:
            for direction in _DIRECTIONS:
                place = _beside(anchor, size, direction, distance)
                is_inside = bounds.overlap(place) >= 0.999 * size[0] * size[1]
                if not is_inside or any(place.overlap(other) > 0.0 for other in closed):
                    continue
                price = _FARTHER * distance + sum(place.overlap(thing) for thing in things)
                if price < least:
                    best, least = place, price
        placed.append(best)
        closed += [] if best is None else [best]
    return placed


def _beside(anchor: DoubleArray, size: DoubleArray, direction: tuple[int, int], distance: float) -> Rectangle:
    x, y = anchor + np.array(direction) * (distance + size / 2)
    width, height = size / 2
    return Rectangle(float(x - width), float(y - height), float(x + width), float(y + height))
