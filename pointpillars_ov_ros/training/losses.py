# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of SECOND: focal for classes, smooth L1 for boxes, cross-entropy for directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pointpillars_ov_ros.training.network import Outputs
from pointpillars_ov_ros.training.targets import IGNORED

ALPHA, GAMMA = 0.25, 2.0
"""Parameters of the focal loss (RetinaNet, 4.1)."""
BETA = 1.0 / 9.0
"""Error at which smooth L1 changes from quadratic to linear."""
BOX_WEIGHT, DIRECTION_WEIGHT = 2.0, 0.2
"""Weights of these losses relative to that of the classes (PointPillars, 3.3)."""


class Answers(NamedTuple):
    """Targets of the network for B crops with A anchors each, numbered consecutively."""

    labels: Tensor
    """(B * A,) int64, class, BACKGROUND or IGNORED."""
    positives: Tensor
    """(F,) int64, anchors with an object."""
    residuals: Tensor
    """(F, 7) float32."""
    directions: Tensor
    """(F,) int64, direction bins."""


class Losses(NamedTuple):
    """Losses divided by the number of anchors with an object, not yet weighted."""

    classes: Tensor
    boxes: Tensor
    directions: Tensor

    def total(self) -> Tensor:
        """Return the weighted sum."""
        return self.classes + BOX_WEIGHT * self.boxes + DIRECTION_WEIGHT * self.directions


def compute_losses(outputs: Outputs, answers: Answers) -> Losses:
    """Compute the losses, divided by the number of anchors with an object in all crops; single crops may have none."""
    share = 1.0 / max(1, len(answers.positives))
    logits = outputs.scores.reshape(len(answers.labels), -1)
    counts = (answers.labels != IGNORED)[:, None]
    residuals = outputs.boxes.reshape(-1, 7)[answers.positives]
    directions = outputs.directions.reshape(-1, 2)[answers.positives]
    return Losses(
        (focal_loss(logits, one_hot(answers.labels, logits.shape[1])) * counts).sum() * share,
        box_loss(residuals, answers.residuals).sum() * share,
        functional.cross_entropy(directions, answers.directions, reduction="sum") * share,
    )


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return (A, classes) float32 with a 1 for the class of `labels` (A,), none if it is below 0."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the focal loss of each of `logits` against `wanted`, 0 or 1, of the same shape."""
    scores = torch.sigmoid(logits)
    # The error, 0..1: what is nearly right contributes almost nothing.
    wrong = wanted * (1.0 - scores) + (1.0 - wanted) * scores
    weight = wanted * ALPHA + (1.0 - wanted) * (1.0 - ALPHA)
    return weight * wrong**GAMMA * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def box_loss(residuals: Tensor, wanted: Tensor) -> Tensor:
    """Return the smooth L1 loss of residuals (F, 7).

    For the angle, the sine of the difference counts: rotated by half a turn a box is the same, and its direction is
    learnt by the other loss.
    """
    difference = residuals - wanted
    difference = torch.cat([difference[:, :6], torch.sin(difference[:, 6:])], dim=1)
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=BETA)
