# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of the RPN outputs: anchor mask, score threshold, SECOND box coder, direction bins, rotated NMS."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.errors import OutputError
from pointpillars_ov_ros.config.model_config import (
    AngleConvention,
    BoxOrigin,
    ClassThreshold,
    ModelConfig,
    PostprocessConfig,
    SizeOrder,
)
from pointpillars_ov_ros.core.anchors import Occupancy, count_occupied, make_anchors, make_footprints
from pointpillars_ov_ros.core.arrays import FloatArray, IndexArray, IntArray, ShortArray, WordArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.ground_contact import CoarseCells, find_lowest, make_cells, set_on_ground
from pointpillars_ov_ros.core.nms import suppress
from pointpillars_ov_ros.core.pillars import Pillars

_GROUP = 256
"""Number of anchors skipped together when none of them is a candidate, which is the usual case."""


class AnchorFilter(NamedTuple):
    """Parameters of the anchor mask: which anchors stand over enough occupied pillars."""

    footprints: ShortArray
    """(A, 4); see `make_footprints`."""
    occupied: WordArray
    """(ny, words); see `Occupancy`."""
    min_pillars: int
    """An anchor passes if it covers more pillars than this; below 0 all anchors pass."""


class ScoreLimits(NamedTuple):
    """Minimum logits of candidates, per class, (classes,)."""

    near: FloatArray
    far: FloatArray
    """Minimum logits of anchors beyond `far_from`."""
    far_from: FloatArray
    """Horizontal distance from the sensor (m)."""
    least: np.float32
    """The least of all limits."""


class Candidates(NamedTuple):
    """Anchors whose best class reaches its limit, in order.

    All arrays are (A,); only the first entries are in use.
    """

    anchors: IntArray
    logits: FloatArray
    labels: IntArray


class BoxHeads(NamedTuple):
    """Inputs that boxes are decoded from."""

    anchors: FloatArray
    """(A, 7); see `make_anchors`."""
    residuals: FloatArray
    """(A, 7)."""
    directions: FloatArray
    """(A, 2) logits."""


class BoxCoding(NamedTuple):
    """Conventions of a network's residuals and directions; see `BoxCoder` and `Direction`."""

    length_first: bool
    center_origin: bool
    direction_offset: float
    first_bin: int
    rotation_y: bool


class SuppressionLimits(NamedTuple):
    """Limits that candidates are reduced by; see `PostprocessConfig`."""

    max_candidates: int
    iou_threshold: float
    per_class: bool


class DecodingScratch(NamedTuple):
    """Scratch memory of `decode_best`; what it allocated itself, Numba would compile the allocation of."""

    order: IntArray
    """(A,), candidates, best first."""
    merged: IntArray
    """(A,), scratch memory of sorting."""
    chosen: IntArray
    """(max_candidates,), anchors of the best candidates; the next two are of them, too."""
    labels: IntArray
    boxes: FloatArray
    """(max_candidates, 7)."""
    kept: IndexArray
    """(max_detections,)."""


class Decoded(NamedTuple):
    """Arrays that detections are written to, (max_detections, 7) and (max_detections,)."""

    boxes: FloatArray
    scores: FloatArray
    labels: IntArray


class Decoder:
    """Decoder of one network's outputs.

    Holds the anchors and scratch memory, so each frame in flight needs its own.
    """

    def __init__(self, config: ModelConfig, ground_clearance: float | None = None) -> None:
        """Generate the anchors of `config`.

        Bottoms of boxes are `ground_clearance` (m) above the ground around them; None: where the network puts them.
        """
        self._config = config
        self._clearance = ground_clearance or 0.0
        self._ground = None if ground_clearance is None else make_cells(config.grid)
        self._anchors = make_anchors(config)
        self._order = np.empty((2, len(self._anchors)), np.int32)
        self._use(config.postprocess)
        self._occupancy = Occupancy(config.grid.ny, config.grid.nx)
        mask, count = config.anchor_mask, len(self._anchors)
        self._filter = AnchorFilter(
            make_footprints(config, self._anchors), self._occupancy.bits, -1 if mask is None else mask.min_pillars
        )
        self._candidates = Candidates(np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.int32))
        coder, direction = config.box_coder, config.direction
        self._coding = BoxCoding(
            length_first=coder.size_order is SizeOrder.LENGTH_FIRST,
            center_origin=coder.z_origin is BoxOrigin.CENTER,
            direction_offset=direction.offset,
            first_bin=direction.first_bin,
            rotation_y=coder.angle is AngleConvention.ROTATION_Y,
        )

    def find_ground(self, pillars: Pillars) -> None:
        """Find the ground of the cloud grouped in `pillars`, if `decode` needs it; to be called before."""
        if self._ground is not None:
            find_ground(pillars.size, pillars.coords, pillars.starts, pillars.points, self._ground)

    def decode(
        self,
        boxes: FloatArray,
        scores: FloatArray,
        directions: FloatArray,
        pillars: Pillars,
        settings: PostprocessConfig,
    ) -> Detections:
        """Decode the RPN's outputs for the cloud grouped in `pillars`.

        With A anchors per cell: `boxes` [1, rows, columns, A * 7] residuals, `scores`
        [1, rows, columns, A * classes] logits, `directions` [1, rows, columns, A * 2] logits.

        Raises OutputError if an output contains NaN or infinity.
        """
        if self._config.anchor_mask is not None:
            self._occupancy.update(pillars)
        if settings is not self._settings:
            self._use(settings)
        count = select_candidates(scores.reshape(-1), self._anchors, self._limits, self._filter, self._candidates)
        if count < 0:
            raise OutputError("the RPN's scores contain NaN or infinity")
        heads = BoxHeads(self._anchors, boxes.reshape(-1, 7), directions.reshape(-1, 2))
        most = len(self._scratch.kept)
        out = Decoded(np.empty((most, 7), np.float32), np.empty(most, np.float32), np.empty(most, np.int32))
        kept = decode_best(self._candidates, count, heads, self._coding, self._suppression, self._scratch, out)
        if kept < 0:
            raise OutputError("the RPN's boxes or directions contain NaN or infinity")
        if self._ground is not None:
            place_boxes(kept, out.boxes, self._ground, self._clearance)
        return Detections(out.boxes[:kept], out.scores[:kept], out.labels[:kept])

    def _use(self, settings: PostprocessConfig) -> None:
        """Decode with these thresholds from now on."""
        self._settings, self._limits = settings, make_score_limits(settings, self._config.classes)
        self._suppression = SuppressionLimits(settings.max_candidates, settings.nms_threshold, settings.nms_per_class)
        most = min(settings.max_candidates, len(self._anchors))
        self._scratch = DecodingScratch(
            order=self._order[0],
            merged=self._order[1],
            chosen=np.empty(most, np.int32),
            labels=np.empty(most, np.int32),
            boxes=np.empty((most, 7), np.float32),
            kept=np.empty(min(settings.max_detections, most), np.int64),
        )


def make_score_limits(settings: PostprocessConfig, classes: tuple[str, ...]) -> ScoreLimits:
    """Return the limits that the scores of `classes` are compared with, as logits."""
    by_name = {threshold.class_name: threshold for threshold in settings.publish}
    every = [by_name.get(name, ClassThreshold(name, settings.score_threshold)) for name in classes]
    near = np.array([logit(threshold.score) for threshold in every], np.float32)
    far = np.array([logit(threshold.score_beyond) for threshold in every], np.float32)
    far_from = np.array([threshold.far_from for threshold in every], np.float32)
    return ScoreLimits(near, far, far_from, min(near.min(), far.min()))


def logit(score: float) -> float:
    """Return the logit of a score in (0, 1]; infinity for 1."""
    return math.log(score / (1.0 - score)) if score < 1.0 else math.inf


@njit(nogil=True, cache=True, error_model="numpy")
def sigmoid(logit: np.float32) -> np.float32:
    """Return the score of a logit."""
    score: np.float32 = np.float32(1.0) / (np.float32(1.0) + np.exp(-logit))
    return score


@njit(nogil=True, cache=True)
def find_ground(size: int, coords: IntArray, starts: IntArray, points: FloatArray, cells: CoarseCells) -> None:
    """Find the lowest points of the first `size` pillars, see `find_lowest`."""
    find_lowest(coords[:size], starts, points, cells)


@njit(nogil=True, cache=True)
def place_boxes(count: int, boxes: FloatArray, cells: CoarseCells, clearance: float) -> None:
    """Set the first `count` of `boxes` on the ground, see `set_on_ground`."""
    set_on_ground(boxes[:count], cells, clearance)


@njit(nogil=True, cache=True)
def select_candidates(
    class_logits: FloatArray,
    anchors: FloatArray,
    limits: ScoreLimits,
    anchor_filter: AnchorFilter,
    out: Candidates,
) -> int:
    """List the anchors that reach the limit of their best class and pass the filter; return their number.

    `class_logits` (anchors * classes,), `anchors` (anchors, 7). Scores are compared as logits, and the mask is looked
    up only for anchors that pass. The result is the same as masking and taking the sigmoid of all hundred thousand
    anchors. Returns -1 if any value is NaN or infinite.
    """
    footprints, occupied, min_pillars = anchor_filter
    candidates, logits, labels = out
    near, far, far_from, least = limits
    classes = near.shape[0]
    size = 0
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
            distance = math.hypot(anchors[anchor, 0], anchors[anchor, 1])
            if best < (far[label] if distance > far_from[label] else near[label]):
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
    """Whether any of `values` is at least `least` or not finite; branch-free, so that it is vectorized."""
    found = False
    for i in range(values.shape[0]):
        found |= (not values[i] < least) | (values[i] == -np.inf)
    return found


@njit(nogil=True, cache=True)
def decode_best(
    candidates: Candidates,
    count: int,
    heads: BoxHeads,
    coding: BoxCoding,
    limits: SuppressionLimits,
    scratch: DecodingScratch,
    out: Decoded,
) -> int:
    """Decode the best of the first `count` candidates and suppress those that overlap a better one.

    Writes what is left into `out`, best first, and returns its number; -1 if a box or its direction is not finite. This
    is one function, of loops: a call from Python costs more than the work, and what NumPy does in a line takes Numba
    seconds to compile.
    """
    order, merged, chosen, labels, boxes, kept = scratch
    sort_best_first(candidates.logits, count, order, merged)
    taken = min(count, limits.max_candidates)
    for k in range(taken):
        chosen[k] = candidates.anchors[order[k]]
        labels[k] = candidates.labels[order[k]]
    if not decode_boxes(chosen[:taken], heads, coding, boxes):
        return -1
    size = suppress(boxes[:taken], labels, limits.iou_threshold, limits.per_class, kept)
    for k in range(size):
        for axis in range(7):
            out.boxes[k, axis] = boxes[kept[k], axis]
        out.scores[k] = sigmoid(candidates.logits[order[kept[k]]])
        out.labels[k] = labels[kept[k]]
    return size


@njit(nogil=True, cache=True)
def sort_best_first(logits: FloatArray, count: int, order: IntArray, merged: IntArray) -> None:
    """Write the indices of the first `count` logits to `order`, the greatest first, equal ones in their order.

    Merge sort from the bottom up; `merged` is scratch memory.
    """
    for k in range(count):
        order[k] = k
    width = 1
    while width < count:
        for begin in range(0, count, 2 * width):
            left, right = begin, min(begin + width, count)
            middle, end = right, min(begin + 2 * width, count)
            for to in range(begin, end):
                takes_right = left >= middle or (right < end and logits[order[right]] > logits[order[left]])
                merged[to] = order[right] if takes_right else order[left]
                if takes_right:
                    right += 1
                else:
                    left += 1
        for k in range(count):
            order[k] = merged[k]
        width *= 2


@njit(nogil=True, cache=True)
def decode_boxes(chosen: IntArray, heads: BoxHeads, coding: BoxCoding, out: FloatArray) -> bool:
    """Decode the residuals (x y z, size, angle) of the `chosen` anchors into `out` (M, 7) (SECOND, section 3.2.2).

    Returns whether all boxes and directions are finite.
    """
    anchors, residuals, directions = heads
    length_first, center_origin, direction_offset, first_bin, rotation_y = coding
    at_length, at_width = (3, 4) if length_first else (4, 3)
    is_finite = True
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
        # The regressed angle gives the axis of the box, the direction bin which end is the front.
        angle = (anchor[6] + residual[6] - direction_offset) % math.pi
        direction = directions[chosen[k]]
        if (1 if direction[1] > direction[0] else 0) != first_bin:
            angle += math.pi
        angle += direction_offset
        if rotation_y:
            angle = -angle - math.pi / 2
        out[k, 6] = (angle + math.pi) % (2 * math.pi) - math.pi
        is_finite &= math.isfinite(direction[0]) and math.isfinite(direction[1])
        for axis in range(7):
            is_finite &= math.isfinite(out[k, axis])
    return is_finite
