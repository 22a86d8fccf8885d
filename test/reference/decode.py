# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RPN outputs to detections without a shortcut: sigmoid of everything, mask of everything, then decode."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import (
    AngleConvention,
    BoxOrigin,
    DirectionConfig,
    ModelConfig,
    PostprocessConfig,
    SizeOrder,
)
from pointpillars_ov_ros.core.detections import Detections
from test.reference import anchors as slow_anchors
from test.reference import nms as slow_nms

Array = npt.NDArray[np.float32]
Box = tuple[float, float, float, float, float, float, float]


def decode(
    config: ModelConfig,
    boxes: Array,
    scores: Array,
    directions: Array,
    occupied: Collection[tuple[int, int]],
    settings: PostprocessConfig,
) -> Detections:
    """Decode outputs shaped as `Decoder.decode` takes them; `occupied` cells are (column, row)."""
    anchors = slow_anchors.anchors(config)
    probabilities = 1.0 / (1.0 + np.exp(-scores.astype(np.float64).reshape(len(anchors), -1)))
    candidates = []
    for index, anchor in enumerate(anchors):
        label = int(np.argmax(probabilities[index]))
        score = float(probabilities[index, label])
        if score >= settings.score_threshold and passes_mask(config, anchor, occupied):
            box = decode_box(config, anchor, boxes.reshape(-1, 7)[index], directions.reshape(-1, 2)[index])
            candidates.append((score, label, box))
    candidates.sort(key=lambda candidate: -candidate[0])
    candidates = candidates[: settings.max_candidates]
    found = np.array([box for _, _, box in candidates], np.float32).reshape(-1, 7)
    labels = [label for _, label, _ in candidates]
    kept = slow_nms.nms(found, labels, settings.nms_threshold, settings.max_detections, settings.nms_per_class)
    return Detections(
        found[kept],
        np.array([candidates[k][0] for k in kept], np.float32),
        np.array([labels[k] for k in kept], np.int32),
    )


def passes_mask(config: ModelConfig, anchor: Array, occupied: Collection[tuple[int, int]]) -> bool:
    """Whether an anchor stands over enough occupied cells."""
    if config.anchor_mask is None:
        return True
    count = slow_anchors.occupied_under(anchor, occupied, config.grid, config.box_coder.angle)
    return count > config.anchor_mask.min_pillars


def decode_box(config: ModelConfig, anchor: Array, residual: Array, direction: Array) -> Box:
    """Decode one box as SECOND defines its residuals: geometric centre, l, w, h, yaw in [-pi, pi)."""
    x, y, bottom, length, width, height, anchor_angle = (float(value) for value in anchor)
    along_x, along_y, up, first, second, third, turn = (float(value) for value in residual)
    diagonal = math.hypot(length, width)
    length_first = config.box_coder.size_order is SizeOrder.LENGTH_FIRST
    log_length, log_width = (first, second) if length_first else (second, first)
    new_height = math.exp(third) * height
    if config.box_coder.z_origin is BoxOrigin.CENTER:
        center_z = (bottom + height / 2) + up * height
    else:
        center_z = (bottom + up * height) + new_height / 2
    angle = towards_bin(anchor_angle + turn, direction, config.direction)
    yaw = -angle - math.pi / 2 if config.box_coder.angle is AngleConvention.ROTATION_Y else angle
    return (
        x + along_x * diagonal,
        y + along_y * diagonal,
        center_z,
        math.exp(log_length) * length,
        math.exp(log_width) * width,
        new_height,
        math.atan2(math.sin(yaw), math.cos(yaw)),
    )


def towards_bin(angle: float, direction: Array, bins: DirectionConfig) -> float:
    """Turn an angle by half turns until it lies in the half circle that the direction bin names."""
    bin_index = int(direction[1] > direction[0])
    half = (bin_index - bins.first_bin) % 2
    low = bins.offset + half * math.pi
    while angle < low:
        angle += math.pi
    while angle >= low + math.pi:
        angle -= math.pi
    return angle
