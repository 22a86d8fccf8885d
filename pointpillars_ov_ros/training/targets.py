# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: the object of each anchor, and its residuals (SECOND's assigner, as in OpenPCDet).

An anchor is compared only with objects of its own class, by the overlap of axis-aligned rectangles: box and anchor are
each aligned with the axis that they are nearer to.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.model_config import AngleConvention, BoxOrigin, ModelConfig, SizeOrder
from pointpillars_ov_ros.core.anchors import make_anchors
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IndexArray, IntArray

BACKGROUND, IGNORED = -1, -2
"""Labels of anchors without an object: those trained as background, and those left out of the loss."""

LabelArray = npt.NDArray[np.int8]


class Thresholds(NamedTuple):
    """Overlaps that decide about an anchor."""

    matched: float
    """At or above this overlap an anchor is positive."""
    unmatched: float
    """Below this overlap it is background; in between it is ignored."""


THRESHOLDS = {"Car": Thresholds(0.6, 0.45)}
SMALL = Thresholds(0.5, 0.35)
"""Thresholds of every class without an entry in `THRESHOLDS`."""


class Targets(NamedTuple):
    """Target of each anchor of a grid."""

    labels: LabelArray
    """(rows, columns, anchors per cell), the class, BACKGROUND or IGNORED."""
    owners: IntArray
    """(rows, columns, anchors per cell), index of the box, -1 if there is none."""


class Assigner:
    """Assigner of boxes to the anchors of a network."""

    def __init__(self, config: ModelConfig) -> None:
        """Generate the anchors; ConfigError if the box coder is not that of our own networks."""
        coder = config.box_coder
        require(coder.angle is AngleConvention.YAW, "box_coder.angle", coder.angle.value, "'yaw'")
        require(coder.z_origin is BoxOrigin.CENTER, "box_coder.z_origin", coder.z_origin.value, "'center'")
        require(coder.size_order is SizeOrder.LENGTH_FIRST, "box_coder.size_order", coder.size_order.value, "'lwh'")
        self.anchors = make_anchors(config).reshape(*config.output_shape, config.anchors_per_cell, 7)
        """(rows, columns, anchors per cell, 7), x, y, bottom z, length, width, height, angle."""
        classes = [k for k, anchor in enumerate(config.anchors) for _ in anchor.angles]
        self._class_of_anchor = np.array(classes, np.int32)
        self._thresholds = np.array([THRESHOLDS.get(name, SMALL) for name in config.classes])
        shapes = self.anchors[0, 0, :, [3, 4, 6]].T.astype(np.float64)
        self._extents = nearest_extents(shapes[:, 0], shapes[:, 1], shapes[:, 2])
        self._offset = np.array(config.anchor_grid.offset, np.float64)
        self._step = np.array(config.anchor_grid.step, np.float64)

    def assign(self, boxes: FloatArray, labels: IntArray) -> Targets:
        """Assign `boxes` (M, 7; m, rad, lidar frame) of classes `labels` (M,).

        Every box gets its best anchor, however small the overlap, unless there is none; if two boxes have the same best
        anchor, the first box gets it.
        """
        wide = boxes.astype(np.float64)
        extents = nearest_extents(wide[:, 3], wide[:, 4], wide[:, 6])
        shape = self.anchors.shape[:3]
        targets = Targets(np.full(shape, BACKGROUND, np.int8), np.full(shape, -1, np.int32))
        assign_boxes(
            wide[:, :2], extents, labels, self._extents, self._class_of_anchor, self._thresholds, self._offset,
            self._step, targets.labels, targets.owners,
        )  # fmt: skip
        return targets


def nearest_extents(lengths: DoubleArray, widths: DoubleArray, angles: DoubleArray) -> DoubleArray:
    """Return the sides along x and y, (M, 2), of rectangles aligned with the axis that they are nearer to."""
    along_x = np.abs((angles + math.pi / 2) % math.pi - math.pi / 2) < math.pi / 4
    return np.stack([np.where(along_x, lengths, widths), np.where(along_x, widths, lengths)], axis=1)


@njit(nogil=True, cache=True)
def assign_boxes(
    centers: DoubleArray,
    extents: DoubleArray,
    labels: IntArray,
    anchor_extents: DoubleArray,
    class_of_anchor: IntArray,
    thresholds: DoubleArray,
    offset: DoubleArray,
    step: DoubleArray,
    out_labels: LabelArray,
    out_owners: IntArray,
) -> None:
    """Write class and box of each anchor, BACKGROUND and -1 at first; see `Assigner.assign`.

    Only anchors that a box can overlap are visited: a few hundred of three hundred thousand.
    """
    rows, columns, kinds = out_labels.shape
    best = np.zeros((rows, columns, kinds), np.float64)
    for k in range(centers.shape[0]):
        for kind in range(kinds):
            if class_of_anchor[kind] != labels[k]:
                continue
            first, last = find_window(centers[k], extents[k], anchor_extents[kind], offset, step, rows, columns)
            matched, unmatched = thresholds[labels[k], 0], thresholds[labels[k], 1]
            for row in range(first[1], last[1]):
                for column in range(first[0], last[0]):
                    overlap = overlap_at(centers[k], extents[k], anchor_extents[kind], offset, step, row, column)
                    if overlap <= best[row, column, kind]:
                        continue
                    best[row, column, kind] = overlap
                    if overlap >= matched:
                        out_labels[row, column, kind] = labels[k]
                        out_owners[row, column, kind] = k
                    elif overlap >= unmatched:
                        out_labels[row, column, kind] = IGNORED
    is_taken = np.zeros((rows, columns, kinds), np.bool_)
    for k in range(centers.shape[0]):
        greatest, at_row, at_column, at_kind = 0.0, 0, 0, -1
        for kind in range(kinds):
            if class_of_anchor[kind] != labels[k]:
                continue
            first, last = find_window(centers[k], extents[k], anchor_extents[kind], offset, step, rows, columns)
            for row in range(first[1], last[1]):
                for column in range(first[0], last[0]):
                    overlap = overlap_at(centers[k], extents[k], anchor_extents[kind], offset, step, row, column)
                    if overlap > greatest and not is_taken[row, column, kind]:
                        greatest, at_row, at_column, at_kind = overlap, row, column, kind
        if at_kind >= 0:
            is_taken[at_row, at_column, at_kind] = True
            out_labels[at_row, at_column, at_kind] = labels[k]
            out_owners[at_row, at_column, at_kind] = k


@njit(nogil=True, cache=True, inline="always")
def find_window(
    center: DoubleArray,
    extent: DoubleArray,
    other: DoubleArray,
    offset: DoubleArray,
    step: DoubleArray,
    rows: int,
    columns: int,
) -> tuple[IndexArray, IndexArray]:
    """Return first and one past last column and row, each (2,), of the anchors that can overlap a rectangle."""
    first, last = np.empty(2, np.int64), np.empty(2, np.int64)
    for axis in range(2):
        reach = (extent[axis] + other[axis]) / 2
        end = columns if axis == 0 else rows
        first[axis] = min(max(math.floor((center[axis] - reach - offset[axis]) / step[axis]), 0), end)
        last[axis] = min(max(math.ceil((center[axis] + reach - offset[axis]) / step[axis]) + 1, 0), end)
    return first, last


@njit(nogil=True, cache=True, inline="always")
def overlap_at(
    center: DoubleArray,
    extent: DoubleArray,
    other: DoubleArray,
    offset: DoubleArray,
    step: DoubleArray,
    row: int,
    column: int,
) -> float:
    """Return the intersection over union of a rectangle with the anchor of a cell."""
    common = 1.0
    for axis in range(2):
        distance = abs(offset[axis] + step[axis] * (column if axis == 0 else row) - center[axis])
        side = min((extent[axis] + other[axis]) / 2 - distance, extent[axis], other[axis])
        common *= max(side, 0.0)
    return common / (extent[0] * extent[1] + other[0] * other[1] - common)


def encode_boxes(boxes: FloatArray, anchors: FloatArray) -> FloatArray:
    """Return the residuals (K, 7) of `boxes` (K, 7) over `anchors` (K, 7) (SECOND, 3.2.2): x y z, l w h, angle."""
    residuals = np.empty((len(boxes), 7), np.float32)
    diagonals = np.hypot(anchors[:, 3], anchors[:, 4])
    residuals[:, :2] = (boxes[:, :2] - anchors[:, :2]) / diagonals[:, None]
    residuals[:, 2] = (boxes[:, 2] - anchors[:, 2] - anchors[:, 5] / 2) / anchors[:, 5]
    residuals[:, 3:6] = np.log(boxes[:, 3:6] / anchors[:, 3:6])
    residuals[:, 6] = boxes[:, 6] - anchors[:, 6]
    return residuals


def direction_bins(yaws: FloatArray, offset: float, first_bin: int) -> IndexArray:
    """Return the direction bin of each yaw (rad), (K,) int64, according to `DirectionConfig`."""
    bins = np.floor((yaws.astype(np.float64) - offset) % (2 * math.pi) / math.pi).astype(np.int64)
    return np.minimum(bins, 1) ^ first_bin
