# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Target assignment word by word: every box against every anchor."""

from __future__ import annotations

import math

import numpy as np

BACKGROUND, IGNORED = -1, -2


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> tuple[float, float, float, float]:
    """Return low x, low y, high x, high y of a rectangle aligned with the axis that it is nearer to."""
    turned = angle
    while turned >= math.pi / 2:
        turned -= math.pi
    while turned < -math.pi / 2:
        turned += math.pi
    if abs(turned) >= math.pi / 4:
        length, width = width, length
    return x - length / 2, y - width / 2, x + length / 2, y + width / 2


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return intersection over union of two such rectangles."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0.0) * max(high, 0.0)
    areas = [(r[2] - r[0]) * (r[3] - r[1]) for r in (a, b)]
    return common / (areas[0] + areas[1] - common)


def assign(
    anchors: np.ndarray,
    classes: list[int],
    boxes: np.ndarray,
    labels: np.ndarray,
    thresholds: list[tuple[float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return label and box of each of `anchors` (A, 7) of `classes` (A,), for `boxes` (M, 7) of `labels` (M,)."""
    outcome, owners = np.full(len(anchors), BACKGROUND), np.full(len(anchors), -1)
    overlaps = np.zeros((len(boxes), len(anchors)))
    for k, box in enumerate(boxes):
        for a, anchor in enumerate(anchors):
            if classes[a] == labels[k]:
                anchor_rectangle = rectangle(anchor[0], anchor[1], anchor[3], anchor[4], anchor[6])
                overlaps[k, a] = overlap(rectangle(box[0], box[1], box[3], box[4], box[6]), anchor_rectangle)
    for a in range(len(anchors)):
        if not len(boxes):
            break
        k = int(overlaps[:, a].argmax())
        matched, unmatched = thresholds[classes[a]]
        if overlaps[k, a] >= matched:
            outcome[a], owners[a] = labels[k], k
        elif overlaps[k, a] >= unmatched:
            outcome[a] = IGNORED
    taken: set[int] = set()
    for k in range(len(boxes)):
        free = [(overlaps[k, a], -a) for a in range(len(anchors)) if a not in taken]
        best, a = max(free)
        if best > 0.0:
            taken.add(-a)
            outcome[-a], owners[-a] = labels[k], k
    return outcome, owners
