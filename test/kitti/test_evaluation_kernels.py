# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlaps of 2D and 3D boxes against shapely, and the choice of thresholds."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.kitti.evaluation import compute_overlaps
from pointpillars_ov_ros.kitti.evaluation_data import pack_lidar_boxes, pack_objects
from pointpillars_ov_ros.kitti.evaluation_kernels import COUNTED, IGNORED, box_overlaps, choose, pick_thresholds
from pointpillars_ov_ros.kitti.evaluation_rules import NO_POSITION, OTHER_KIND, Metric, kind_code, kind_codes
from pointpillars_ov_ros.kitti.labels import KittiObject
from test.kitti.scenes import an_object, dont_care, random_frames
from test.reference import kitti_ap as slow
from test.reference import nms as slow_nms

shapely = pytest.importorskip("shapely", reason="the slow twins need it: `make env`, or pip install shapely")

Boxes = npt.NDArray[np.float64]


def random_boxes(rng: np.random.Generator, count: int) -> Boxes:
    """Return boxes (count, 7), `ObjectArrays.boxes`, so close that most of them overlap."""
    boxes = np.empty((count, 7))
    boxes[:, :2] = rng.uniform(-3, 3, (count, 2))
    boxes[:, 2] = rng.uniform(-1, 1, count)
    boxes[:, 3:6] = rng.uniform(0.2, 5.0, (count, 3))
    boxes[:, 6] = rng.uniform(-math.pi, math.pi, count)
    return boxes


def shapely_overlaps(first: Boxes, second: Boxes, of_second: bool) -> tuple[Boxes, Boxes]:
    """Return the BEV and 3D overlaps of pairs of boxes."""
    a, b = (np.array([slow_nms.rectangle(box) for box in boxes]) for boxes in (first, second))
    common, area_a, area_b = shapely.area(shapely.intersection(a, b)), shapely.area(a), shapely.area(b)
    low, high = (np.stack([one[:, 2] - shift * one[:, 5] for one in (first, second)]) for shift in (1, 0))
    volume = common * np.maximum(0.0, high.min(axis=0) - low.max(axis=0))
    size_a, size_b = area_a * first[:, 5], area_b * second[:, 5]
    bev_whole, whole = (area_b, size_b) if of_second else (area_a + area_b - common, size_a + size_b - volume)
    return common / bev_whole, volume / whole


@pytest.mark.parametrize("of_detection", [False, True])
def test_ten_thousand_random_pairs_agree_with_shapely_from_above_and_in_volume(of_detection: bool) -> None:
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 10_000), random_boxes(rng, 10_000)
    expected = np.stack(shapely_overlaps(first, second, of_detection), axis=1)
    found = np.array([box_overlaps(a, b, of_detection) for a, b in zip(first, second, strict=True)])
    assert (expected > 0).mean() > 0.3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("metric", list(Metric))
def test_overlaps_of_all_pairs_of_a_frame_are_those_of_the_twin(metric: Metric) -> None:
    truth, found = random_frames(np.random.default_rng(1), 8)
    overlaps = compute_overlaps(pack_objects(truth), pack_objects(found))
    values = []
    for labels, results in zip(truth, found, strict=True):
        for label in labels:
            values += [slow.overlap(label, r, metric.value, label.type == "DontCare") for r in results]
    pairs = [len(labels) * len(results) for labels, results in zip(truth, found, strict=True)]
    assert overlaps.pair_starts.tolist() == [0, *np.cumsum(pairs)]
    assert 0 < np.count_nonzero(values) < len(values)
    np.testing.assert_allclose(overlaps.by_metric[metric], values, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("other", "iou", "share"),
    [
        ((0, 0, 10, 10), 1.0, 1.0),
        ((5, 0, 15, 10), 1 / 3, 0.5),
        ((10, 0, 20, 10), 0.0, 0.0),
        ((0, 12, 10, 20), 0.0, 0.0),
        ((2, 2, 4, 4), 0.04, 1.0),
        ((-10, -10, 20, 20), 1 / 9, 1 / 9),
        ((3, 3, 3, 3), 0.0, 0.0),
    ],
)
def test_2d_boxes_overlap_as_drawn(other: tuple[float, float, float, float], iou: float, share: float) -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    truth = [[an_object("Car", bbox=box), dont_care(box)]]
    found = [[an_object("Car", bbox=other)]]
    overlaps = compute_overlaps(pack_objects(truth), pack_objects(found)).by_metric[Metric.BOX_2D]
    np.testing.assert_allclose(overlaps, [iou, share], atol=1e-12)


@pytest.mark.parametrize("size", [(0.0, 2.0, 1.0), (4.0, 0.0, 1.0), (4.0, 2.0, 0.0), (0.0, 0.0, 0.0)])
def test_boxes_without_extent_overlap_nothing_in_volume(size: tuple[float, float, float]) -> None:
    flat = np.array([0.0, 0.0, 0.0, *size, 0.0])
    for region in (False, True):
        assert box_overlaps(flat, flat, region)[1] == 0.0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("found", [0, 1, 2, 39, 41, 80, 300])
def test_thresholds_are_those_of_the_twin(seed: int, found: int) -> None:
    rng = np.random.default_rng(seed)
    objects = max(1, found) + int(rng.integers(0, 60))
    scores = np.sort(rng.integers(1, 50, found) / 50)[::-1].copy()
    out = np.empty(41)
    size = pick_thresholds(scores, objects, 40, out)
    assert out[:size].tolist() == slow.thresholds(scores.tolist(), objects)


@pytest.mark.parametrize(
    ("overlaps", "states", "taken", "answer"),
    [
        ([], [], [], -1),
        ([0.5], [COUNTED], [0], -1),
        ([0.6], [COUNTED], [0], 0),
        ([0.6], [COUNTED], [1], -1),
        ([0.6, 0.8], [COUNTED, COUNTED], [0, 0], 1),
        ([0.8, 0.8], [COUNTED, COUNTED], [0, 0], 0),
        ([0.9, 0.6], [IGNORED, COUNTED], [0, 0], 1),
        ([0.6, 0.9], [COUNTED, IGNORED], [0, 0], 0),
        ([0.6, 0.9], [IGNORED, IGNORED], [0, 0], 0),
        ([0.6, 0.9], [IGNORED, IGNORED], [1, 0], 1),
    ],
)
def test_the_largest_counted_overlap_answers_else_the_first_ignored(
    overlaps: list[float], states: list[int], taken: list[int], answer: int
) -> None:
    arrays = (np.array(overlaps, np.float64), np.array(states, np.int8), np.array(taken, np.bool_))
    assert choose(*arrays, 0.5) == answer


def test_objects_are_packed_in_the_order_of_their_files() -> None:
    frames = [[an_object("Car"), an_object("Van")], [], [an_object("cyclist".upper(), size=(1, 2, 3), score=0.5)]]
    packed = pack_objects(frames)
    assert packed.starts.tolist() == [0, 2, 2, 3]
    assert packed.kinds.tolist() == kind_codes(["car", "VAN", "Cyclist"]).tolist()
    assert packed.scores.tolist() == [0, 0, 0.5]
    label: KittiObject = frames[2][0]
    x, y, z = label.location
    assert packed.boxes[2].tolist() == [x, z, y, 3, 2, 1, -label.rotation_y]
    assert packed.image_boxes[2].tolist() == list(label.bbox)


def test_kinds_that_play_no_part_have_no_code_of_their_own() -> None:
    assert kind_codes(["Truck", "Misc", "Tram", ""]).tolist() == [OTHER_KIND] * 4
    assert len({kind_code(k) for k in ("Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "DontCare", "x")}) == 7


def test_what_has_no_position_has_no_box() -> None:
    flat = an_object("Car", location=(2.0, 1.7, 15.0))._replace(location=(NO_POSITION,) * 3)
    assert pack_objects([[an_object("Car"), flat, dont_care((0, 0, 9, 9))]]).has_box.tolist() == [True, False, False]


def test_no_frame_and_no_object_are_packed_too() -> None:
    for packed in (pack_objects([]), pack_lidar_boxes([], [], [])):
        assert (packed.starts.tolist(), packed.boxes.shape) == ([0], (0, 7))
    assert pack_objects([[], []]).starts.tolist() == [0, 0, 0]


def test_lidar_boxes_overlap_as_they_do_in_the_camera() -> None:
    """Centre, left of it, up: the frame is another one, the overlaps are the same."""
    rng = np.random.default_rng(2)
    boxes = random_boxes(rng, 40)
    lidar = np.stack([boxes[:, 1], -boxes[:, 0], boxes[:, 5] / 2 - boxes[:, 2], *boxes[:, 3:6].T, boxes[:, 6]], axis=1)
    lidar[:, 6] -= math.pi / 2
    objects = [an_object("Car", (b[0], b[2], b[1]), (b[5], b[4], b[3]), -b[6]) for b in boxes.tolist()]
    camera = pack_objects([objects])
    same = pack_lidar_boxes([lidar], [["Car"] * 40], [np.ones(40, np.float32)])
    expected, found = compute_overlaps(camera, camera).by_metric, compute_overlaps(same, same).by_metric
    for metric in (Metric.BEV, Metric.BOX_3D):
        np.testing.assert_allclose(found[metric], expected[metric], atol=1e-9)
