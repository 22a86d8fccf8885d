# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RPN outputs to detections: anchor mask, score threshold, SECOND box decoding, direction bins, rotated NMS."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.errors import OutputError
from pointpillars_ov_ros.config.model_config import (
    AngleConvention,
    BoxOrigin,
    ModelConfig,
    PostprocessConfig,
    SizeOrder,
)
from pointpillars_ov_ros.core.anchors import Occupancy, count_occupied, make_anchors, make_footprints
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray, ShortArray, WordArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.nms import suppress
from pointpillars_ov_ros.core.pillars import Pillars

_GROUP = 256
"""Anchors that are passed over together where none of them is a candidate, as nearly always."""


class Decoder:
    """Decodes the outputs of one network; holds its anchors and scratch, so one per frame in flight."""

    def __init__(self, config: ModelConfig) -> None:
        """Generate the anchors of `config`."""
        self._config = config
        self._anchors = make_anchors(config)
        self._footprints = make_footprints(config, self._anchors)
        self._occupancy = Occupancy(config.grid.ny, config.grid.nx)
        self._candidates = np.empty(len(self._anchors), np.int32)
        self._logits = np.empty(len(self._anchors), np.float32)
        self._labels = np.empty(len(self._anchors), np.int32)

    def decode(
        self,
        boxes: FloatArray,
        scores: FloatArray,
        directions: FloatArray,
        pillars: Pillars,
        settings: PostprocessConfig,
    ) -> Detections:
        """Decode the RPN's outputs for the cloud grouped in `pillars`.

        With A anchors a cell: `boxes` [1, rows, columns, A * 7] residuals, `scores`
        [1, rows, columns, A * classes] logits, `directions` [1, rows, columns, A * 2] logits. Raises
        OutputError where they are not numbers.
        """
        mask = self._config.anchor_mask
        if mask is not None:
            self._occupancy.update(pillars)
        count = select_candidates(
            scores.reshape(-1),
            len(self._config.classes),
            logit(settings.score_threshold),
            self._footprints,
            self._occupancy.bits,
            -1 if mask is None else mask.min_pillars,
            self._candidates,
            self._logits,
            self._labels,
        )
        if count < 0:
            raise OutputError("the RPN gave scores that are NaN or infinite")
        coder, direction = self._config.box_coder, self._config.direction
        kept, decoded, scores, labels = decode_best(
            self._candidates[:count],
            self._logits[:count],
            self._labels[:count],
            self._anchors,
            boxes.reshape(-1, 7),
            directions.reshape(-1, 2),
            coder.size_order is SizeOrder.LENGTH_FIRST,
            coder.z_origin is BoxOrigin.CENTER,
            direction.offset,
            direction.first_bin,
            coder.angle is AngleConvention.ROTATION_Y,
            settings.max_candidates,
            settings.nms_threshold,
            settings.max_detections,
            settings.nms_per_class,
        )
        if kept < 0:
            raise OutputError("the RPN gave boxes or directions that are NaN or infinite")
        return Detections(decoded, scores, labels)


def override_thresholds(settings: PostprocessConfig, score_threshold: float, nms_threshold: float) -> PostprocessConfig:
    """Replace the thresholds that are above 0; 0 keeps the model's own."""
    return replace(
        settings,
        score_threshold=score_threshold or settings.score_threshold,
        nms_threshold=nms_threshold or settings.nms_threshold,
    )


def logit(score: float) -> float:
    """The logit of a score in (0, 1]; infinite for 1."""
    return math.log(score / (1.0 - score)) if score < 1.0 else math.inf


@njit(nogil=True, cache=True)
def sigmoid(logits: FloatArray) -> FloatArray:
    """Scores of logits."""
    return (np.float32(1.0) / (np.float32(1.0) + np.exp(-logits))).astype(np.float32)


@njit(nogil=True, cache=True)
def select_candidates(
    class_logits: FloatArray,
    classes: int,
    threshold: float,
    footprints: ShortArray,
    occupied: WordArray,
    min_pillars: int,
    candidates: IntArray,
    logits: FloatArray,
    labels: IntArray,
) -> int:
    """List the anchors whose best class reaches `threshold` and that the mask lets pass; give how many.

    `class_logits` (anchors * classes,). The comparison is made on logits, and the mask looked up only for anchors
    that pass it: both are the same as masking and taking the sigmoid of all hundred thousand. `min_pillars` < 0: no
    mask. NaN or infinity anywhere: -1.
    """
    size, least = 0, np.float32(threshold)
    for begin in range(0, footprints.shape[0], _GROUP):
        end = min(begin + _GROUP, footprints.shape[0])
        if not any_reaches(class_logits[begin * classes : end * classes], least):
            continue
        for anchor in range(begin, end):
            label, best = 0, class_logits[anchor * classes]
            for k in range(classes):
                value = class_logits[anchor * classes + k]
                if not np.isfinite(value):
                    return -1
                if value > best:
                    label, best = k, value
            if best < least:
                continue
            if min_pillars >= 0 and count_occupied(occupied, footprints[anchor]) <= min_pillars:
                continue
            candidates[size] = anchor
            logits[size] = best
            labels[size] = label
            size += 1
    return size


@njit(nogil=True, cache=True, inline="always")
def any_reaches(values: FloatArray, least: np.float32) -> bool:
    """Tell whether one of `values` is `least` or above, or not finite; without a branch, so that it is vectorized."""
    found = False
    for i in range(values.shape[0]):
        found |= (not values[i] < least) | (values[i] == -np.inf)
    return found


@njit(nogil=True, cache=True)
def decode_best(
    candidates: IntArray,
    logits: FloatArray,
    labels: IntArray,
    anchors: FloatArray,
    residuals: FloatArray,
    directions: FloatArray,
    length_first: bool,
    center_origin: bool,
    direction_offset: float,
    first_bin: int,
    rotation_y: bool,
    max_candidates: int,
    iou_threshold: float,
    max_kept: int,
    per_class: bool,
) -> tuple[int, FloatArray, FloatArray, IntArray]:
    """Decode the best of the candidates and suppress those that overlap a better one.

    Gives how many are left, their boxes (M, 7), scores and labels, best first; -1 where a box or its direction is not
    finite. In one piece because a call from Python costs more than the work, of which there is little.
    """
    best = np.argsort(-logits, kind="mergesort")[:max_candidates]
    boxes, chosen, own_labels = np.empty((len(best), 7), np.float32), candidates[best], labels[best]
    decode_boxes(
        chosen, anchors, residuals, directions, length_first, center_origin, direction_offset, first_bin, rotation_y,
        boxes,
    )  # fmt: skip
    kept = np.empty(min(len(best), max_kept), np.int64)
    is_finite = np.isfinite(boxes).all() and np.isfinite(directions[chosen]).all()
    size = suppress(boxes, own_labels, iou_threshold, per_class, kept) if is_finite else -1
    kept = kept[: max(size, 0)]
    return size, boxes[kept], sigmoid(logits[best[kept]]), own_labels[kept]


@njit(nogil=True, cache=True)
def decode_boxes(
    chosen: IntArray,
    anchors: FloatArray,
    residuals: FloatArray,
    directions: FloatArray,
    length_first: bool,
    center_origin: bool,
    direction_offset: float,
    first_bin: int,
    rotation_y: bool,
    out: FloatArray,
) -> None:
    """Decode residuals x y z, size, angle of the `chosen` anchors into `out` (M, 7) (SECOND, section 3.2.2)."""
    at_length, at_width = (3, 4) if length_first else (4, 3)
    for k in range(chosen.shape[0]):
        anchor, residual = anchors[chosen[k]], residuals[chosen[k]]
        length, width, height = anchor[3], anchor[4], anchor[5]
        diagonal = math.sqrt(length * length + width * width)
        out[k, 0] = anchor[0] + residual[0] * diagonal
        out[k, 1] = anchor[1] + residual[1] * diagonal
        out[k, 3] = length * math.exp(residual[at_length])
        out[k, 4] = width * math.exp(residual[at_width])
        out[k, 5] = height * math.exp(residual[5])
        if center_origin:
            out[k, 2] = anchor[2] + height / 2 + residual[2] * height
        else:
            out[k, 2] = anchor[2] + residual[2] * height + out[k, 5] / 2
        # The regressed angle knows the axis of the box, the direction bin which way along it.
        angle = (anchor[6] + residual[6] - direction_offset) % math.pi
        direction = directions[chosen[k]]
        if (1 if direction[1] > direction[0] else 0) != first_bin:
            angle += math.pi
        angle += direction_offset
        if rotation_y:
            angle = -angle - math.pi / 2
        out[k, 6] = (angle + math.pi) % (2 * math.pi) - math.pi
