# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotated overlap and suppression against shapely."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.core.nms import clip_half_plane, iou_bev, nms_bev
from test.reference import nms as slow

shapely = pytest.importorskip("shapely", reason="the slow twins need it: `make env`, or pip install shapely")

Boxes = npt.NDArray[np.float32]


def random_boxes(rng: np.random.Generator, count: int, extent: float = 4.0) -> Boxes:
    """Return boxes (count, 7) so close that most of them overlap."""
    boxes = np.empty((count, 7), np.float32)
    boxes[:, :3] = rng.uniform(-extent, extent, (count, 3))
    boxes[:, 3:6] = rng.uniform(0.2, 5.0, (count, 3))
    boxes[:, 6] = rng.uniform(-math.pi, math.pi, count)
    return boxes


def box(
    x: float = 0.0, y: float = 0.0, length: float = 4.0, width: float = 2.0, yaw: float = 0.0
) -> npt.NDArray[np.float32]:
    return np.array((x, y, 0.0, length, width, 1.5, yaw), np.float32)


def same_label(boxes: Boxes) -> npt.NDArray[np.int32]:
    return np.zeros(len(boxes), np.int32)


def suppressed(boxes: Boxes, threshold: float, max_kept: int = 1000) -> list[int]:
    kept: list[int] = nms_bev(boxes, same_label(boxes), threshold, max_kept, False).tolist()
    return kept


def shapely_ious(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    a, b = (np.array([slow.rectangle(one) for one in boxes]) for boxes in (first, second))
    common = shapely.area(shapely.intersection(a, b))
    return np.asarray(common / (shapely.area(a) + shapely.area(b) - common))


def our_ious(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    return np.array([iou_bev(a, b) for a, b in zip(first, second, strict=True)])


def test_ten_thousand_random_pairs_agree_with_shapely() -> None:
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 10_000), random_boxes(rng, 10_000)
    expected = shapely_ious(first, second)
    assert (expected > 0).mean() > 0.3
    np.testing.assert_allclose(our_ious(first, second), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("spread", [1e-1, 1e-3, 1e-5, 1e-6, 0.0])
def test_pairs_that_almost_coincide_agree_with_shapely(spread: float) -> None:
    rng = np.random.default_rng(1)
    first = random_boxes(rng, 1000, extent=70.0)
    second = (first + rng.normal(0.0, 1.0, first.shape) * spread).astype(np.float32)
    second[:, 3:6] = np.abs(second[:, 3:6])
    np.testing.assert_allclose(our_ious(first, second), shapely_ious(first, second), rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", [0.0, math.pi / 2, math.pi, -math.pi / 2, 2 * math.pi])
def test_pairs_with_parallel_edges_agree_with_shapely(turn: float) -> None:
    rng = np.random.default_rng(2)
    first, second = random_boxes(rng, 1000, extent=2.0), random_boxes(rng, 1000, extent=2.0)
    second[:, 6] = first[:, 6] + np.float32(turn)
    np.testing.assert_allclose(our_ious(first, second), shapely_ious(first, second), rtol=0, atol=1e-6)


def test_overlap_is_symmetric() -> None:
    rng = np.random.default_rng(3)
    first, second = random_boxes(rng, 500), random_boxes(rng, 500)
    np.testing.assert_allclose(our_ious(first, second), our_ious(second, first), rtol=0, atol=1e-6)


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.57, -3.14, 100.0])
@pytest.mark.parametrize("x", [0.0, 69.0, -1e4])
def test_a_box_overlaps_itself_wholly(x: float, yaw: float) -> None:
    assert iou_bev(box(x=x, yaw=yaw), box(x=x, yaw=yaw)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(x=4.0), 0.0),
        (box(y=2.0), 0.0),
        (box(x=4.0, y=2.0), 0.0),
        (box(x=4.0, length=2.0, width=4.0, yaw=math.pi / 2), 0.0),
        (box(x=2.0), 1 / 3),
        (box(y=1.0), 1 / 3),
        (box(length=2.0, width=1.0), 1 / 4),
        (box(length=2.0, width=1.0, yaw=math.pi), 1 / 4),
        (box(length=40.0, width=20.0), 1 / 100),
        (box(length=2.0, width=4.0, yaw=math.pi / 2), 1.0),
        (box(yaw=math.pi / 2), 1 / 3),
        (box(yaw=math.pi), 1.0),
        (box(yaw=2 * math.pi - 1e-6), 1.0),
        (box(x=100.0), 0.0),
    ],
)
def test_touching_contained_and_turned_boxes_overlap_as_drawn(other: Boxes, expected: float) -> None:
    assert iou_bev(box(), other) == pytest.approx(expected, abs=1e-6)
    assert iou_bev(other, box()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [(0.0, 0.0), (0.0, 2.0), (4.0, 0.0)])
def test_boxes_without_area_overlap_nothing(size: tuple[float, float]) -> None:
    flat = box(length=size[0], width=size[1])
    for other in (flat, box(), box(x=1.0, yaw=0.5)):
        assert iou_bev(flat, other) == pytest.approx(0.0, abs=1e-12)
        assert iou_bev(other, flat) == pytest.approx(0.0, abs=1e-12)
    assert suppressed(np.stack([flat, flat, box()]), 0.1) == [0, 1, 2]


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("per_class", [False, True])
def test_random_boxes_are_suppressed_as_by_the_twin(threshold: float, per_class: bool) -> None:
    rng = np.random.default_rng(4)
    boxes, labels = random_boxes(rng, 60, extent=8.0), rng.integers(0, 3, 60).astype(np.int32)
    kept = nms_bev(boxes, labels, threshold, 1000, per_class)
    assert kept.tolist() == slow.nms(boxes, labels.tolist(), threshold, 1000, per_class)


@pytest.mark.parametrize("max_kept", [1, 3, 59, 60, 61])
def test_no_more_than_asked_for_are_kept(max_kept: int) -> None:
    boxes = random_boxes(np.random.default_rng(5), 60, extent=300.0)
    expected = slow.nms(boxes, [0] * 60, 0.1, 1000, False)
    assert suppressed(boxes, 0.1, max_kept) == expected[:max_kept]


def test_no_box_is_no_box() -> None:
    kept = nms_bev(np.zeros((0, 7), np.float32), np.zeros(0, np.int32), 0.1, 10, False)
    assert kept.shape == (0,)


def test_of_identical_boxes_the_first_stays() -> None:
    assert suppressed(np.stack([box()] * 5), 0.5) == [0]


def test_identical_boxes_of_two_classes_both_stay_per_class() -> None:
    boxes, labels = np.stack([box()] * 4), np.array([0, 1, 0, 1], np.int32)
    assert nms_bev(boxes, labels, 0.5, 10, True).tolist() == [0, 1]
    assert nms_bev(boxes, labels, 0.5, 10, False).tolist() == [0]


def test_a_box_that_was_dropped_drops_no_other() -> None:
    chain = np.stack([box(x=0.0), box(x=1.5), box(x=3.0)])
    assert suppressed(chain, 0.3) == [0, 2]


def test_an_overlap_of_just_the_threshold_is_allowed() -> None:
    half = np.stack([box(length=4.0), box(length=2.0)])
    assert iou_bev(half[0], half[1]) == 0.5
    assert suppressed(half, 0.5) == [0, 1]
    assert suppressed(half, 0.4999) == [0]


def test_boxes_with_nan_do_not_stop_the_others() -> None:
    broken = np.full(7, np.nan, np.float32)
    boxes = np.stack([box(), broken, box(), box(x=50.0)])
    assert suppressed(boxes, 0.5) == [0, 1, 3]


@pytest.mark.parametrize(
    ("limit", "corners"), [(2.0, 4), (1.0, 4), (0.5, 4), (0.0, 2), (-0.5, 0)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("first", range(4))
def test_clipping_at_a_border_makes_no_corner_twice(first: int, limit: float, corners: int) -> None:
    """Eight corners are all there is room for, so none may be spent on one that is there already."""
    square = np.roll(np.array([(0.0, 0), (1, 0), (1, 1), (0, 1)]), first, axis=0)
    polygon, clipped = np.zeros((8, 2)), np.zeros((8, 2))
    polygon[:4] = square
    assert clip_half_plane(polygon, 4, clipped, 0, 1.0, limit) == corners
    assert len(np.unique(clipped[:corners], axis=0)) == corners
    assert (clipped[:corners, 0] <= limit).all()
