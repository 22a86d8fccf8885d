# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Target assignment against its slow twin, and box encoding against the decoder."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.core.decode import BoxCoding, BoxHeads, decode_boxes
from pointpillars_ov_ros.training.targets import (
    BACKGROUND,
    IGNORED,
    SMALL,
    THRESHOLDS,
    Assigner,
    direction_bins,
    encode_boxes,
)
from test.builders import tiny_config
from test.reference import targets as slow
from test.training.scenes import trainable_config

CONFIG = trainable_config()


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes about as large as anchors, in the range and slightly outside, some of them close together."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int32)
    sizes = np.array([CONFIG.anchors[label].size for label in labels]).reshape(-1, 3)
    sizes *= random.uniform(0.7, 1.4, (count, 3))
    centers = random.uniform([-0.5, -3.0, -2.0], [8.2, 3.0, -1.0], (count, 3))
    centers[1::3] = centers[::3][: len(centers[1::3])] + 0.1
    yaws = random.uniform(-math.pi, math.pi, (count, 1))
    return np.hstack([centers, sizes, yaws]).astype(np.float32), labels


@pytest.mark.parametrize("count", [0, 1, 2, 12])
@pytest.mark.parametrize("seed", range(4))
def test_assignment_is_that_of_the_slow_twin(seed: int, count: int) -> None:
    boxes, labels = random_boxes(seed, count)
    assigner = Assigner(CONFIG)
    targets = assigner.assign(boxes, labels)
    kinds = [k for k, anchor in enumerate(CONFIG.anchors) for _ in anchor.angles]
    anchors = assigner.anchors.reshape(-1, 7)
    classes = kinds * (len(anchors) // len(kinds))
    # Where anchors stand is told by config, in doubles; the array of them is float32.
    rows, columns = CONFIG.output_shape
    exact = anchors.astype(np.float64).reshape(rows, columns, -1, 7)
    exact[..., 0] = (0.16 + 0.32 * np.arange(columns))[None, :, None]
    exact[..., 1] = (-2.4 + 0.32 * np.arange(rows))[:, None, None]
    thresholds = [tuple(THRESHOLDS.get(name, SMALL)) for name in CONFIG.classes]
    outcome, owners = slow.assign(exact.reshape(-1, 7), classes, boxes.astype(np.float64), labels, thresholds)
    np.testing.assert_array_equal(targets.labels.reshape(-1), outcome)
    np.testing.assert_array_equal(targets.owners.reshape(-1), owners)


def test_every_object_in_range_has_an_anchor_even_if_two_share_their_best() -> None:
    box = [2.0, 0.1, -1.4, 1.4, 0.3, 0.5, 0.6]
    boxes, labels = np.array([box, box, box], np.float32), np.zeros(3, np.int32)
    targets = Assigner(CONFIG).assign(boxes, labels)
    assert set(targets.owners[targets.owners >= 0]) == {0, 1, 2}


def test_objects_without_an_overlap_have_none() -> None:
    boxes = np.array([[60.0, 0.0, -1.4, 0.9, 0.5, 0.5, 0.0]], np.float32)
    targets = Assigner(CONFIG).assign(boxes, np.zeros(1, np.int32))
    assert (targets.labels == BACKGROUND).all() and (targets.owners == -1).all()


def test_between_the_thresholds_an_anchor_is_ignored() -> None:
    anchor = Assigner(CONFIG).anchors[8, 8, 0]
    box = anchor.copy()
    # IoU (0.9 - 0.3) / (0.9 + 0.3) = 0.5, between 0.45 and 0.6; an anchor 0.32 m on overlaps by more.
    box[0] += 0.3
    box[3:6] = CONFIG.anchors[0].size
    targets = Assigner(CONFIG).assign(box[None], np.zeros(1, np.int32))
    assert targets.labels[8, 8, 0] == IGNORED and targets.labels[8, 9, 0] == 0


def test_boxes_come_back_from_the_decoder() -> None:
    boxes, _ = random_boxes(3, 40)
    anchors = Assigner(CONFIG).anchors.reshape(-1, 7)[:40]
    residuals = encode_boxes(boxes, anchors)
    for first_bin in (0, 1):
        bins = direction_bins(boxes[:, 6], CONFIG.direction.offset, first_bin)
        decoded = np.empty((40, 7), np.float32)
        chosen = np.arange(40, dtype=np.int32)
        directions = np.eye(2, dtype=np.float32)[bins]
        offset = CONFIG.direction.offset
        coding = BoxCoding(True, True, offset, first_bin, False)
        decode_boxes(chosen, BoxHeads(anchors, residuals, directions), coding, decoded)
        np.testing.assert_allclose(decoded, boxes, atol=2e-5)


def test_other_box_coders_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"box_coder\.z_origin: 'bottom' is not 'center'"):
        Assigner(tiny_config())
