# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The losses of SECOND in plain numpy and float64, value by value."""

from __future__ import annotations

import math

import numpy as np


def focal(logit: float, wanted: int) -> float:
    """Return the focal loss of one logit: -alpha_t (1 - p_t)^2 log(p_t)."""
    score = 1.0 / (1.0 + math.exp(-logit))
    likelihood, alpha = (score, 0.25) if wanted else (1.0 - score, 0.75)
    return -alpha * (1.0 - likelihood) ** 2 * math.log(likelihood)


def box(residual: np.ndarray, wanted: np.ndarray) -> float:
    """Return the smooth L1 loss of the seven residuals of a box, with the sine of the angles' difference."""
    total = 0.0
    for k in range(7):
        difference = abs(float(residual[k]) - float(wanted[k]))
        if k == 6:
            p, t = float(residual[k]), float(wanted[k])
            difference = abs(math.sin(p) * math.cos(t) - math.cos(p) * math.sin(t))
        total += 4.5 * difference**2 if difference < 1 / 9 else difference - 1 / 18
    return total


def direction(logits: np.ndarray, wanted: int) -> float:
    """Return the cross-entropy of two logits."""
    shares = np.exp(logits.astype(np.float64))
    return -math.log(shares[wanted] / shares.sum())


def losses(
    scores: np.ndarray,
    residuals: np.ndarray,
    directions: np.ndarray,
    labels: np.ndarray,
    owners: dict[int, tuple[np.ndarray, int]],
) -> tuple[float, float, float]:
    """Return the losses of classes, boxes and directions for (A, ...) outputs.

    `labels` (A,): class, -1 background, -2 ignored; `owners`: residuals and bin of the anchors with an object.
    """
    classes = 0.0
    for anchor, label in enumerate(labels):
        if label != -2:
            classes += sum(focal(float(logit), int(k == label)) for k, logit in enumerate(scores[anchor]))
    boxes = sum(box(residuals[anchor], wanted) for anchor, (wanted, _) in owners.items())
    turns = sum(direction(directions[anchor], wanted) for anchor, (_, wanted) in owners.items())
    count = max(1, len(owners))
    return classes / count, boxes / count, turns / count
