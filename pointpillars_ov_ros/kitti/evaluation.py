# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI AP: precision over recall of one class, metric and difficulty, as the object development kit computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.core.arrays import DoubleArray, IndexArray
from pointpillars_ov_ros.kitti import evaluation_kernels as kernels
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays
from pointpillars_ov_ros.kitti.evaluation_rules import (
    DIFFICULTIES,
    DONT_CARE,
    RECALL_STEPS,
    ClassRule,
    Difficulty,
    Metric,
    kind_code,
)


@dataclass(frozen=True)
class Curve:
    """Precision over recall of one class, metric, overlap and difficulty."""

    class_name: str
    metric: Metric
    min_overlap: float
    difficulty: str
    objects: int
    """Number of ground-truth objects that count."""
    precision: DoubleArray
    """(RECALL_STEPS + 1,), the best precision at recall k / RECALL_STEPS or above; for AOS, the similarity."""
    thresholds: DoubleArray
    """(T,), T <= RECALL_STEPS + 1, the scores at which recall comes closest to k / RECALL_STEPS."""

    @property
    def ap_r40(self) -> float:
        """Average precision (%) over recalls 1/40, 2/40 … 1, as KITTI has computed it since October 2019."""
        return _ap_r40(self.precision)

    @property
    def ap_r11(self) -> float:
        """Average precision (%) over recalls 0, 0.1 … 1, as KITTI computed it before."""
        return _ap_r11(self.precision)


class Overlaps(NamedTuple):
    """Overlaps of all objects with all detections of their frame, flat (see `evaluation_kernels`)."""

    pair_starts: IndexArray
    by_metric: dict[Metric, DoubleArray]


def evaluate(
    truth: ObjectArrays,
    found: ObjectArrays,
    rules: Sequence[ClassRule],
    *,
    metrics: Sequence[Metric] = tuple(Metric),
    difficulties: Sequence[Difficulty] = DIFFICULTIES,
    loose: bool = False,
    on_step: Callable[[], None] | None = None,
) -> list[Curve]:
    """Score the detections `found` against `truth`, both of the same frames.

    Returns a curve for each class of `rules`, overlap, metric and difficulty, in that order of nesting. With `loose`,
    BEV and 3D are repeated with the milder overlap. AOS is left out if a detection has no angle, BEV and 3D for a class
    whose detections have no box. `on_step` is called `count_steps` times.
    """
    require(len(truth.starts) == len(found.starts), "found.starts", len(found.starts), f"{len(truth.starts)} long")
    overlaps = compute_overlaps(truth, found)
    curves = []
    for rule in rules:
        mine = found.kinds == kind_code(rule.name)
        for kinds, min_overlap in _overlap_levels(rule, metrics, loose):
            for metric in kinds:
                for difficulty in difficulties:
                    if _can_score(metric, found, mine):
                        curves.append(_trace(truth, found, overlaps, rule, metric, min_overlap, difficulty))
                    if on_step is not None:
                        on_step()
    return curves


def count_steps(
    rules: Sequence[ClassRule],
    metrics: Sequence[Metric] = tuple(Metric),
    difficulties: Sequence[Difficulty] = DIFFICULTIES,
    loose: bool = False,
) -> int:
    """Return how many times `evaluate` calls `on_step`."""
    return sum(len(kinds) for rule in rules for kinds, _ in _overlap_levels(rule, metrics, loose)) * len(difficulties)


def compute_overlaps(truth: ObjectArrays, found: ObjectArrays) -> Overlaps:
    """Compute the overlaps of all pairs that share a frame."""
    pairs = np.diff(truth.starts) * np.diff(found.starts)
    starts = np.concatenate([[0], np.cumsum(pairs)]).astype(np.int64)
    image, bev, volume = (np.zeros(starts[-1]) for _ in range(3))
    regions = truth.kinds == kind_code(DONT_CARE)
    kernels.fill_image_overlaps(
        truth.starts, truth.image_boxes, regions, found.starts, found.image_boxes, starts, image
    )
    kernels.fill_box_overlaps(truth.starts, truth.boxes, regions, found.starts, found.boxes, starts, bev, volume)
    return Overlaps(starts, {Metric.BOX_2D: image, Metric.AOS: image, Metric.BEV: bev, Metric.BOX_3D: volume})


def truth_states(truth: ObjectArrays, rule: ClassRule, difficulty: Difficulty) -> np.ndarray:
    """Return for each object whether it must be found, may be found, or plays no part, (N,) int8."""
    heights = truth.image_boxes[:, 3] - truth.image_boxes[:, 1]
    beyond = (
        (truth.occlusions > difficulty.max_occlusion)
        | (truth.truncations > difficulty.max_truncation)
        | (heights <= difficulty.min_height)
    )
    states = np.full(len(truth.kinds), kernels.ABSENT, np.int8)
    states[truth.kinds == kind_code(rule.name)] = kernels.COUNTED
    states[(states == kernels.COUNTED) & beyond] = kernels.IGNORED
    if rule.neighbour:
        states[truth.kinds == kind_code(rule.neighbour)] = kernels.IGNORED
    return states


def found_states(found: ObjectArrays, rule: ClassRule, difficulty: Difficulty) -> np.ndarray:
    """Return for each detection whether it is right or wrong, may be either, or plays no part, (N,) int8."""
    heights = np.abs(found.image_boxes[:, 3] - found.image_boxes[:, 1])
    states = np.full(len(found.kinds), kernels.ABSENT, np.int8)
    states[found.kinds == kind_code(rule.name)] = kernels.COUNTED
    # For all classes, as in the development kit, so a low box may match an object of another class.
    states[heights < difficulty.min_height] = kernels.IGNORED
    return states


def best_possible(objects: int) -> tuple[float, float]:
    """Return AP R40 and AP R11 (%) of perfect detections, which are below 100 with fewer than 41 objects."""
    precision = np.zeros(RECALL_STEPS + 1)
    reached = kernels.pick_thresholds(np.ones(objects), objects, RECALL_STEPS, np.empty(RECALL_STEPS + 1))
    precision[:reached] = 1.0
    return _ap_r40(precision), _ap_r11(precision)


def _trace(
    truth: ObjectArrays,
    found: ObjectArrays,
    overlaps: Overlaps,
    rule: ClassRule,
    metric: Metric,
    min_overlap: float,
    difficulty: Difficulty,
) -> Curve:
    """Count matches at the scores where recall comes closest to its steps, and make the precision monotone."""
    wanted, offered = truth_states(truth, rule, difficulty), found_states(found, rule, difficulty)
    objects = int((wanted == kernels.COUNTED).sum())
    pairs = (overlaps.pair_starts, overlaps.by_metric[metric], min_overlap)
    scores = np.empty(objects)
    size = kernels.collect_scores(truth.starts, wanted, found.starts, offered, found.scores, *pairs, scores)
    chosen = np.empty(RECALL_STEPS + 1)
    thresholds = chosen[: kernels.pick_thresholds(np.sort(scores[:size])[::-1].copy(), objects, RECALL_STEPS, chosen)]
    counts = np.zeros((len(thresholds), 4))
    regions = truth.kinds == kind_code(DONT_CARE)
    kernels.count_matches(
        truth.starts, wanted, regions, truth.alphas, found.starts, offered, found.alphas, found.scores,
        *pairs, thresholds, counts,
    )  # fmt: skip
    right, positives = counts[:, 2 if metric is Metric.AOS else 0], counts[:, 0] + counts[:, 1]
    precision = np.zeros(RECALL_STEPS + 1)
    # With nothing right and nothing wrong the development kit computes 0/0; here that is a precision of 0.
    np.divide(right, positives, out=precision[: len(thresholds)], where=positives > 0)
    precision = np.maximum.accumulate(precision[::-1])[::-1].copy()
    return Curve(rule.name, metric, min_overlap, difficulty.name, objects, precision, thresholds)


def _overlap_levels(rule: ClassRule, metrics: Sequence[Metric], loose: bool) -> list[tuple[Sequence[Metric], float]]:
    """Return groups of metrics, each with the overlap that a match needs."""
    levels: list[tuple[Sequence[Metric], float]] = [(metrics, rule.min_overlap)]
    if loose:
        levels.append(([m for m in metrics if m in (Metric.BEV, Metric.BOX_3D)], rule.loose_overlap))
    return levels


def _can_score(metric: Metric, found: ObjectArrays, mine: np.ndarray) -> bool:
    """Whether the detections have what the metric needs; no detections at all count as a result."""
    if metric is Metric.AOS:
        return found.has_orientation
    if metric is Metric.BOX_2D or not mine.any():
        return True
    return bool(found.has_box[mine].any())


def _ap_r40(precision: DoubleArray) -> float:
    return float(precision[1:].mean() * 100.0)


def _ap_r11(precision: DoubleArray) -> float:
    return float(precision[:: RECALL_STEPS // 10].mean() * 100.0)
