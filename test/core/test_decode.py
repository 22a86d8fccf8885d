# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding against its slow twin, and case by case."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError
from pointpillars_ov_ros.config.model_config import (
    AngleConvention,
    BoxOrigin,
    ClassThreshold,
    ModelConfig,
    SizeOrder,
)
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.anchors import make_anchors
from pointpillars_ov_ros.core.decode import (
    Decoder,
    logit,
    make_score_limits,
    sigmoid,
    sort_best_first,
)
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.thresholds import override_thresholds
from test.builders import grouped, random_cloud, tiny_config
from test.reference import decode as slow

Array = npt.NDArray[np.float32]
NOTHING = -20.0
"""A logit that no threshold lets pass."""


class Outputs(NamedTuple):
    """The three outputs of an RPN."""

    boxes: Array
    scores: Array
    directions: Array


def random_outputs(config: ModelConfig, rng: np.random.Generator, mean_logit: float = -2.0) -> Outputs:
    rows, columns = config.output_shape
    cell, classes = config.anchors_per_cell, len(config.classes)

    def normal(channels: int, mean: float, deviation: float) -> Array:
        return rng.normal(mean, deviation, (1, rows, columns, channels)).astype(np.float32)

    return Outputs(normal(cell * 7, 0.0, 0.4), normal(cell * classes, mean_logit, 1.5), normal(cell * 2, 0.0, 1.0))


def silent_outputs(config: ModelConfig) -> Outputs:
    outputs = random_outputs(config, np.random.default_rng(0))
    outputs.boxes.fill(0.0)
    outputs.scores.fill(NOTHING)
    outputs.directions.fill(0.0)
    return outputs


def cloud_everywhere(config: ModelConfig) -> Pillars:
    """Return pillars of a cloud dense enough for the mask to pass some anchors and reject others."""
    points = random_cloud(np.random.default_rng(1), 150, config.grid)
    return grouped(points, config.grid)


def decode(config: ModelConfig, outputs: Outputs, pillars: Pillars | None = None) -> Detections:
    return Decoder(config).decode(*outputs, pillars or cloud_everywhere(config), config.postprocess)


def expect(config: ModelConfig, outputs: Outputs, pillars: Pillars) -> Detections:
    occupied = [(int(column), int(row)) for column, row in pillars.coords[: pillars.size]]
    return slow.decode(config, *outputs, occupied, config.postprocess)


def assert_same(found: Detections, expected: Detections) -> None:
    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found.boxes[:, :6], expected.boxes[:, :6], rtol=1e-4, atol=1e-5)
    turns = found.boxes[:, 6].astype(np.float64) - expected.boxes[:, 6]
    np.testing.assert_allclose((turns + math.pi) % (2 * math.pi), math.pi, rtol=0, atol=1e-5)
    assert (np.abs(found.boxes[:, 6]) <= np.float32(math.pi)).all()


def unmasked(**changes: Any) -> ModelConfig:
    return tiny_config(anchor_mask=None, **changes)


def one_box(
    config: ModelConfig, anchor: int, residual: list[float] | None = None, bins: tuple[float, float] = (1, 0)
) -> npt.NDArray[np.float32]:
    """Decode the single box that `anchor` predicts with high score."""
    outputs = silent_outputs(config)
    outputs.scores.reshape(-1, len(config.classes))[anchor, 0] = 4.0
    outputs.boxes.reshape(-1, 7)[anchor] = residual or [0.0] * 7
    outputs.directions.reshape(-1, 2)[anchor] = bins
    detections = decode(config, outputs)
    assert len(detections) == 1
    return detections.boxes[0]


@pytest.mark.parametrize("first_bin", [0, 1])
@pytest.mark.parametrize("origin", BoxOrigin)
@pytest.mark.parametrize("order", SizeOrder)
@pytest.mark.parametrize("angle", AngleConvention)
def test_random_outputs_are_decoded_as_by_the_twin_in_every_convention(
    angle: AngleConvention, order: SizeOrder, origin: BoxOrigin, first_bin: int
) -> None:
    config = tiny_config(
        box_coder={"angle": angle.value, "z_origin": origin.value, "size_order": order.value},
        direction={"offset": 0.0, "first_bin": first_bin},
    )
    outputs, pillars = random_outputs(config, np.random.default_rng(2)), cloud_everywhere(config)
    expected = expect(config, outputs, pillars)
    assert len(expected) > 5
    assert_same(decode(config, outputs, pillars), expected)


@pytest.mark.parametrize("nms_per_class", [False, True])
@pytest.mark.parametrize("min_pillars", [None, 0, 1, 3, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_random_outputs_are_masked_as_by_the_twin(seed: int, min_pillars: int | None, nms_per_class: bool) -> None:
    config = tiny_config(
        anchor_mask=None if min_pillars is None else {"min_pillars": min_pillars},
        postprocess={"nms_per_class": nms_per_class, "nms_threshold": 0.3},
    )
    outputs, pillars = random_outputs(config, np.random.default_rng(seed)), cloud_everywhere(config)
    assert_same(decode(config, outputs, pillars), expect(config, outputs, pillars))


@pytest.mark.parametrize("settings", [(5, 100), (50, 7), (1, 1), (1000, 1000)])
def test_the_limits_of_candidates_and_detections_cut_as_by_the_twin(settings: tuple[int, int]) -> None:
    config = unmasked(postprocess={"max_detections": settings[0], "max_candidates": settings[1]})
    outputs = random_outputs(config, np.random.default_rng(3), mean_logit=0.0)
    pillars = cloud_everywhere(config)
    found = decode(config, outputs, pillars)
    assert_same(found, expect(config, outputs, pillars))
    assert len(found) <= min(settings)


@pytest.mark.parametrize("offset", [0.0, math.pi / 4, -math.pi / 2, 5.0])
def test_the_direction_offset_is_applied_as_by_the_twin(offset: float) -> None:
    config = unmasked(direction={"offset": offset})
    outputs, pillars = random_outputs(config, np.random.default_rng(4)), cloud_everywhere(config)
    assert_same(decode(config, outputs, pillars), expect(config, outputs, pillars))


def test_a_decoder_used_again_gives_what_a_fresh_one_gives() -> None:
    config, rng = tiny_config(), np.random.default_rng(5)
    decoder, pillars = Decoder(config), Pillars(config.grid)
    for count, mean_logit in ((400, 0.0), (0, 0.0), (30, -2.0), (400, -9.0), (200, 0.0)):
        points, outputs = random_cloud(rng, count, config.grid), random_outputs(config, rng, mean_logit)
        pillars.group(points)
        found = decoder.decode(*outputs, pillars, config.postprocess)
        assert_same(found, decode(config, outputs, grouped(points, config.grid)))


def test_detections_of_one_frame_are_not_overwritten_by_the_next() -> None:
    config, rng = unmasked(), np.random.default_rng(6)
    decoder, pillars = Decoder(config), cloud_everywhere(config)
    first = decoder.decode(*random_outputs(config, rng), pillars, config.postprocess)
    copies = [array.copy() for array in (first.boxes, first.scores, first.labels)]
    decoder.decode(*random_outputs(config, rng), pillars, config.postprocess)
    for array, copy in zip((first.boxes, first.scores, first.labels), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_best_score_comes_first() -> None:
    config = unmasked()
    scores = decode(config, random_outputs(config, np.random.default_rng(7))).scores
    assert len(scores) > 5
    assert (np.diff(scores) <= 0).all()


def test_without_candidates_there_are_no_detections() -> None:
    detections = decode(unmasked(), silent_outputs(unmasked()))
    assert len(detections) == 0
    assert detections.boxes.shape == (0, 7)


def test_over_an_empty_cloud_the_mask_lets_nothing_pass() -> None:
    config = tiny_config(anchor_mask={"min_pillars": 0})
    outputs = random_outputs(config, np.random.default_rng(8), mean_logit=5.0)
    empty = grouped(np.zeros((0, 4), np.float32), config.grid)
    assert len(decode(config, outputs, empty)) == 0


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_fail_the_frame(column: int, poison: float) -> None:
    """A device that computes wrongly must be noticed, not taken for an empty road."""
    config = unmasked()
    outputs = silent_outputs(config)
    outputs.scores.reshape(-1, 2)[77, column] = poison
    with pytest.raises(InferenceError, match="scores contain NaN or infinity"):
        decode(config, outputs)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["boxes", "directions"])
def test_boxes_that_are_not_finite_fail_the_frame(poison: float, name: str) -> None:
    config = unmasked()
    outputs = random_outputs(config, np.random.default_rng(10))
    getattr(outputs, name)[:, :2] = poison
    with pytest.raises(InferenceError, match="boxes or directions contain NaN or infinity"):
        decode(config, outputs)


@pytest.mark.parametrize("logits", [(3.0, -20.0, 0), (-20.0, 3.0, 1), (1.0, 3.0, 1), (3.0, 3.0, 0)])
def test_the_label_is_the_best_class(logits: tuple[float, float, int]) -> None:
    config = unmasked()
    outputs = silent_outputs(config)
    outputs.scores.reshape(-1, 2)[50] = logits[:2]
    detections = decode(config, outputs)
    assert detections.labels.tolist() == [logits[2]]
    assert detections.scores[0] == pytest.approx(1 / (1 + math.exp(-3.0)), rel=1e-5)


def test_a_score_of_just_the_threshold_passes() -> None:
    config = unmasked(postprocess={"score_threshold": 0.5})
    outputs = silent_outputs(config)
    outputs.scores.reshape(-1, 2)[50] = (0.0, NOTHING)
    outputs.scores.reshape(-1, 2)[90] = (-1e-6, NOTHING)
    assert decode(config, outputs).scores.tolist() == [0.5]


@pytest.mark.parametrize("anchor", [0, 1, 2, 100, 287])
def test_without_residuals_a_box_is_its_anchor(anchor: int) -> None:
    config = unmasked()
    x, y, bottom, *size, angle = make_anchors(config)[anchor]
    expected = [x, y, bottom + size[2] / 2, *size, angle]
    np.testing.assert_allclose(one_box(config, anchor), expected, rtol=1e-5)


@pytest.mark.parametrize("origin", BoxOrigin)
def test_z_is_of_the_geometric_centre_whatever_the_network_regresses(origin: BoxOrigin) -> None:
    config = unmasked(box_coder={"z_origin": origin.value})
    height, bottom = 0.31, -1.7
    box = one_box(config, 0, [0, 0, 1.0, 0, 0, math.log(2.0), 0])
    regressed = {BoxOrigin.BOTTOM: bottom + height + height, BoxOrigin.CENTER: bottom + 1.5 * height}
    assert box[2] == pytest.approx(regressed[origin], rel=1e-5)
    assert box[5] == pytest.approx(2 * height, rel=1e-5)


@pytest.mark.parametrize("order", SizeOrder)
def test_size_residuals_come_in_the_order_of_the_network(order: SizeOrder) -> None:
    config = unmasked(box_coder={"size_order": order.value})
    box = one_box(config, 0, [0, 0, 0, math.log(2.0), math.log(3.0), 0, 0])
    factors = (2.0, 3.0) if order is SizeOrder.LENGTH_FIRST else (3.0, 2.0)
    np.testing.assert_allclose(box[3:6], [0.83 * factors[0], 0.37 * factors[1], 0.31], rtol=1e-5)


def test_position_residuals_are_scaled_by_the_diagonal_of_the_anchor() -> None:
    config = unmasked()
    anchor = make_anchors(config)[0]
    box = one_box(config, 0, [1.0, -2.0, 0, 0, 0, 0, 0])
    diagonal = math.hypot(0.83, 0.37)
    assert box[:2].tolist() == pytest.approx([anchor[0] + diagonal, anchor[1] - 2 * diagonal], rel=1e-5)


@pytest.mark.parametrize("first_bin", [0, 1])
@pytest.mark.parametrize("turn", [0.5, 0.5 + math.pi, 0.5 - math.pi, 0.5 + 7 * math.pi, 0.5 - 6 * math.pi])
@pytest.mark.parametrize("named_bin", [0, 1])
def test_the_direction_bin_chooses_one_of_two_opposite_yaws(named_bin: int, turn: float, first_bin: int) -> None:
    config = unmasked(direction={"first_bin": first_bin})
    bins = (1.0, 0.0) if named_bin == 0 else (0.0, 1.0)
    yaw = one_box(config, 0, [0, 0, 0, 0, 0, 0, turn], bins)[6]
    assert yaw == pytest.approx(0.5 if named_bin == first_bin else 0.5 - math.pi, abs=1e-5)


def test_equal_direction_logits_mean_bin_zero() -> None:
    assert one_box(unmasked(), 0, [0, 0, 0, 0, 0, 0, 0.5], (2.0, 2.0))[6] == pytest.approx(0.5)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.57, 3.0])
def test_rotation_y_is_turned_into_yaw(angle: float) -> None:
    config = unmasked(box_coder={"angle": AngleConvention.ROTATION_Y.value})
    yaw = one_box(config, 0, [0, 0, 0, 0, 0, 0, angle])[6]
    assert math.cos(yaw - (-angle - math.pi / 2)) == pytest.approx(1.0)


@pytest.mark.parametrize("below_pi", [1e-9, 1e-8, 1e-7])
def test_yaw_stays_within_pi_when_it_is_rounded_to_float32(below_pi: float) -> None:
    config = unmasked(direction={"offset": -below_pi / 2, "first_bin": 1})
    yaw = one_box(config, 0, [0, 0, 0, 0, 0, 0, -below_pi], (0.0, 1.0))[6]
    assert -np.float32(math.pi) <= yaw <= np.float32(math.pi)


def test_threshold_above_zero_replaces_the_model_s_own() -> None:
    config = tiny_config()
    own = config.postprocess
    assert override_thresholds(config, RuntimeConfig()) == own
    for changes in ({"score_threshold": 0.6}, {"nms_threshold": 0.7}):
        assert override_thresholds(config, RuntimeConfig(**changes)) == dataclasses.replace(own, **changes)


def with_publish(*thresholds: ClassThreshold) -> ModelConfig:
    config = tiny_config()
    return dataclasses.replace(config, postprocess=dataclasses.replace(config.postprocess, publish=thresholds))


@pytest.mark.parametrize(
    ("runtime", "scores"),
    [
        (RuntimeConfig(), {"Car": 0.8, "Pedestrian": 0.4}),
        (RuntimeConfig(score_threshold=0.2), {"Car": 0.2, "Pedestrian": 0.2}),
        (RuntimeConfig(class_score_thresholds="Pedestrian=0.7"), {"Car": 0.8, "Pedestrian": 0.7}),
        (RuntimeConfig(class_score_thresholds="Car=0.7, Pedestrian=1"), {"Car": 0.7, "Pedestrian": 1.0}),
        (RuntimeConfig(score_threshold=0.2, class_score_thresholds="Car=0.7"), {"Car": 0.7, "Pedestrian": 0.2}),
    ],
)
def test_the_most_particular_threshold_counts(runtime: RuntimeConfig, scores: dict[str, float]) -> None:
    config = with_publish(ClassThreshold("Car", 0.8), ClassThreshold("Pedestrian", 0.4))
    limits = make_score_limits(override_thresholds(config, runtime), config.classes)
    for limit in (limits.near, limits.far):
        assert dict(zip(config.classes, map(sigmoid, limit), strict=True)) == pytest.approx(
            {name: scores.get(name, config.postprocess.score_threshold) for name in config.classes}
        )


@pytest.mark.parametrize("text", ["Car", "Car=", "=0.5", "Car=0", "Car=1.1", "Car=nan", "Car=0.5 x"])
def test_thresholds_that_are_none_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"class_score_thresholds: .* is not NAME=SCORE"):
        RuntimeConfig(class_score_thresholds=text)


def test_a_threshold_of_an_unknown_class_is_named() -> None:
    with pytest.raises(ConfigError, match="no class 'Tram'"):
        override_thresholds(tiny_config(), RuntimeConfig(class_score_thresholds="Tram=0.5"))


def test_each_class_has_its_own_threshold_and_another_one_far_away() -> None:
    """The boxes kept equal those of a plain loop."""
    config = unmasked()
    random = np.random.default_rng(3)
    outputs = random_outputs(config, random, mean_logit=0.0)
    outputs.boxes[:] = 0.0
    pillars = grouped(random_cloud(random, 50, config.grid), config.grid)
    everything = dataclasses.replace(config.postprocess, score_threshold=0.01, nms_threshold=1.0, max_detections=4096)
    everything = dataclasses.replace(everything, max_candidates=4096)
    middle = 0.5 * math.hypot(config.grid.x_range[1], config.grid.y_range[1])
    thresholds = tuple(
        ClassThreshold(name, 0.5 + 0.1 * label, far_score=0.3, far_from=middle)
        for label, name in enumerate(config.classes)
    )
    decoder = Decoder(config)
    all_of_them = decoder.decode(*outputs, pillars, everything)
    some = decoder.decode(*outputs, pillars, dataclasses.replace(everything, publish=thresholds))
    # By where the anchor is, which is not quite where its box is.
    places = make_anchors(config)[:, :2]
    nearest = [np.abs(places - box[:2]).sum(axis=1).argmin() for box in all_of_them.boxes]
    is_far = np.hypot(*places[nearest].T) > middle
    wanted = all_of_them.scores >= np.where(is_far, 0.3, 0.5 + 0.1 * all_of_them.labels)
    assert 0 < wanted.sum() < len(all_of_them) and is_far.any() and not is_far.all()
    np.testing.assert_array_equal(some.boxes, all_of_them.boxes[wanted])
    np.testing.assert_array_equal(some.labels, all_of_them.labels[wanted])


@pytest.mark.parametrize("score", [1e-9, 0.1, 0.5, 0.9, 1 - 1e-6])
def test_logit_is_the_inverse_of_sigmoid(score: float) -> None:
    assert sigmoid(np.float32(logit(score))) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 1000])
def test_the_best_come_first_and_equal_ones_stay_in_their_order(count: int) -> None:
    logits = np.random.default_rng(count).integers(0, 10, count + 5).astype(np.float32)
    order, merged = np.full(count, -1, np.int32), np.empty(count, np.int32)
    sort_best_first(logits, count, order, merged)
    np.testing.assert_array_equal(order, np.argsort(-logits[:count], kind="stable"))


def test_no_finite_logit_reaches_a_score_of_one() -> None:
    assert logit(1.0) == math.inf


def test_above_keeps_what_has_at_least_the_score() -> None:
    detections = Detections(
        np.arange(21, dtype=np.float32).reshape(3, 7),
        np.array([0.9, 0.5, 0.1], np.float32),
        np.array([2, 1, 0], np.int32),
    )
    kept = detections.above(0.5)
    assert len(kept) == 2
    assert kept.labels.tolist() == [2, 1]
    assert kept.boxes[:, 0].tolist() == [0, 7]
    assert len(Detections.empty().above(0.1)) == 0
