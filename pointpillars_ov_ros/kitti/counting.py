# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of objects found, missed and falsely detected at a score, for the questions that AP does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.kitti import evaluation_kernels as kernels
from pointpillars_ov_ros.kitti.evaluation import compute_overlaps, found_states, truth_states
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays
from pointpillars_ov_ros.kitti.evaluation_rules import DONT_CARE, ClassRule, Difficulty, Metric, kind_code


class Count(NamedTuple):
    """Numbers of objects of one class, at one score."""

    class_name: str
    score: float
    """Detections with a lower score are ignored."""
    found: int
    missed: int
    false: int
    """Detections without an object; those in DontCare regions or of a neighbouring class do not count."""

    @property
    def precision(self) -> float:
        """Ratio of the detections that are right; NaN if there are none."""
        return self.found / (self.found + self.false) if self.found + self.false else float("nan")

    @property
    def recall(self) -> float:
        """Ratio of the objects that are found; NaN if there are none."""
        return self.found / (self.found + self.missed) if self.found + self.missed else float("nan")


def count_found(
    truth: ObjectArrays,
    found: ObjectArrays,
    rules: Sequence[ClassRule],
    scores: Sequence[float],
    min_overlap: float,
    difficulty: Difficulty,
) -> list[Count]:
    """Count objects for each class of `rules` and each of `scores`, matched by a BEV IoU above `min_overlap`.

    `truth` and `found` belong to the same frames; objects beyond `difficulty` need not be found. As in KITTI's kit, an
    object matched only by a detection too low in the image is neither found nor missed. DontCare regions have no box in
    bird's-eye view, so they excuse what they cover in the image.
    """
    overlaps = compute_overlaps(truth, found)
    regions = truth.kinds == kind_code(DONT_CARE)
    bev, image = overlaps.by_metric[Metric.BEV], overlaps.by_metric[Metric.BOX_2D]
    # Each object's row of pairs is as long as its frame has detections.
    rows = np.repeat(regions, np.repeat(np.diff(found.starts), np.diff(truth.starts)))
    pairs = np.where(rows, image, bev)
    thresholds = np.array(scores, np.float64)
    counts = []
    for rule in rules:
        wanted, offered = truth_states(truth, rule, difficulty), found_states(found, rule, difficulty)
        totals = np.zeros((len(thresholds), 4))
        kernels.count_matches(
            truth.starts, wanted, regions, truth.alphas, found.starts, offered, found.alphas, found.scores,
            overlaps.pair_starts, pairs, min_overlap, thresholds, totals,
        )  # fmt: skip
        for score, (right, wrong, _, missed) in zip(scores, totals, strict=True):
            counts.append(Count(rule.name, score, int(right), int(missed), int(wrong)))
    return counts


def explain_uncounted(truth: ObjectArrays, rules: Sequence[ClassRule], difficulty: Difficulty) -> list[str]:
    """Explain, for each class of `rules`, how many labelled objects do not count at `difficulty`, and why."""
    heights = truth.image_boxes[:, 3] - truth.image_boxes[:, 1]
    reasons = {
        "have an empty 2D box": heights <= 0.0,
        f"are not higher than {difficulty.min_height:g} px in the image": heights <= difficulty.min_height,
        f"are occluded by more than {difficulty.max_occlusion:g}": truth.occlusions > difficulty.max_occlusion,
        f"are truncated by more than {difficulty.max_truncation:g}": truth.truncations > difficulty.max_truncation,
    }
    sentences = []
    for rule in rules:
        labelled = truth.kinds == kind_code(rule.name)
        left = labelled & (truth_states(truth, rule, difficulty) != kernels.COUNTED)
        if not left.any():
            continue
        why = []
        for reason, holds in reasons.items():
            if (left & holds).any():
                why.append(f"{(left & holds).sum()} {reason}")
            left = left & ~holds
        count = int((truth_states(truth, rule, difficulty) == kernels.COUNTED).sum())
        sentences.append(
            f"of {labelled.sum()} labelled {rule.name} {count or 'none'} count at {difficulty.name}: {', '.join(why)}"
        )
    return sentences
