# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishing thresholds, proposed from labelled frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.model_config import ClassThreshold
from pointpillars_ov_ros.kitti.counting import Count, count_found
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays
from pointpillars_ov_ros.kitti.evaluation_rules import DONT_CARE, ClassRule, Difficulty, kind_code

FAR_FROM_M = 35.0
"""Distance beyond which objects have so few points that their scores are lower."""
LEAST_OBJECTS = 10
"""Minimum number of objects; with fewer, a proposal would follow single objects."""
_SCORES = tuple(float(score) for score in np.round(np.arange(0.10, 0.951, 0.01), 2))


class Proposal(NamedTuple):
    """A threshold, and what it finds in the frames that it was proposed from."""

    threshold: ClassThreshold
    near: Count
    far: Count | None
    """None if too few objects are far away for a threshold of their own."""


def propose_thresholds(
    truth: ObjectArrays,
    found: ObjectArrays,
    rules: Sequence[ClassRule],
    difficulty: Difficulty,
    min_overlap: float,
    precision: float | None = None,
) -> list[Proposal]:
    """Propose a threshold for each class of `rules` that has `LEAST_OBJECTS`, by BEV IoU above `min_overlap`.

    `truth` and `found` (of the same frames) hold all boxes that the model keeps. The threshold is the one with the best
    F1, or the lowest above which at least the ratio `precision` (0..1) of the boxes is right.
    """
    everywhere = count_found(truth, found, rules, _SCORES, min_overlap, difficulty)
    far = count_found(_beyond(truth), _beyond(found), rules, _SCORES, min_overlap, difficulty)
    near = count_found(_within(truth), _within(found), rules, _SCORES, min_overlap, difficulty)
    proposals = []
    for rule in rules:
        overall, close, distant = (
            [c for c in counts if c.class_name == rule.name] for counts in (everywhere, near, far)
        )
        if _objects(overall) < LEAST_OBJECTS:
            continue
        if min(_objects(close), _objects(distant)) < LEAST_OBJECTS:
            best = _best(overall, precision)
            proposals.append(Proposal(ClassThreshold(rule.name, best.score), best, None))
        else:
            best, best_far = _best(close, precision), _best(distant, precision)
            threshold = ClassThreshold(rule.name, best.score, best_far.score, FAR_FROM_M)
            proposals.append(Proposal(threshold, best, best_far))
    return proposals


def f1(count: Count) -> float:
    """Return the harmonic mean of precision and recall; 0 if nothing is found."""
    return 2 * count.found / max(1, 2 * count.found + count.missed + count.false)


def _objects(counts: Sequence[Count]) -> int:
    return counts[0].found + counts[0].missed


def _best(counts: Sequence[Count], precision: float | None) -> Count:
    if precision is None:
        return max(counts, key=lambda count: (f1(count), count.score))
    # From the highest score down, as long as enough of the boxes are right.
    best = counts[-1]
    for count in reversed(counts):
        if count.found + count.false and count.precision < precision:
            break
        best = count
    return best


def count_published(
    truth: ObjectArrays,
    found: ObjectArrays,
    rules: Sequence[ClassRule],
    difficulty: Difficulty,
    min_overlap: float,
    publish: Sequence[ClassThreshold],
) -> list[Count]:
    """Count what a node finds that publishes boxes from the thresholds `publish` on, for each class that has one.

    `Count.score` is the threshold close by. The other arguments are those of `propose_thresholds`.
    """
    distances, scores = _distances(found), np.zeros_like(found.scores)
    for threshold in publish:
        least = np.where(distances > threshold.far_from, threshold.score_beyond, threshold.score)
        scores[(found.kinds == kind_code(threshold.class_name)) & (found.scores >= least)] = 1.0
    named = {threshold.class_name: threshold.score for threshold in publish}
    published = found._replace(scores=scores)
    counts = count_found(
        truth, published, [rule for rule in rules if rule.name in named], (1.0,), min_overlap, difficulty
    )
    return [count._replace(score=named[count.class_name]) for count in counts]


def _beyond(objects: ObjectArrays) -> ObjectArrays:
    return _select(objects, _distances(objects) > FAR_FROM_M)


def _within(objects: ObjectArrays) -> ObjectArrays:
    return _select(objects, _distances(objects) <= FAR_FROM_M)


def _distances(objects: ObjectArrays) -> np.ndarray:
    return np.hypot(objects.boxes[:, 0], objects.boxes[:, 1])


def _select(objects: ObjectArrays, wanted: np.ndarray) -> ObjectArrays:
    """Return the wanted objects, and all regions in which detections are excused."""
    wanted = wanted | (objects.kinds == kind_code(DONT_CARE))
    starts = np.concatenate([[0], np.cumsum(wanted)])[objects.starts]
    rest = (getattr(objects, name)[wanted] for name in ObjectArrays._fields[1:])
    return ObjectArrays(starts.astype(objects.starts.dtype), *rest)
