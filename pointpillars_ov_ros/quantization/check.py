# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of a network's detections before and after quantization, on the same clouds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import openvino as ov

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.matching import match
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.quantization.data import CanvasMaker, Cloud

SCORE_MARGIN = 0.1
"""How far below the threshold the partner of a detection above it may score without counting as a loss."""


@dataclass(frozen=True)
class Change:
    """Changes of the detections over all clouds."""

    before: int
    after: int
    shifts: FloatArray
    """Distances between the centres of matched detections (m, in space)."""
    score_changes: FloatArray
    """Score after minus score before, of matched detections."""
    lost_scores: FloatArray
    """Scores of detections before that have no partner after."""
    new_scores: FloatArray
    """Scores of detections after that have no partner before."""

    @property
    def matched(self) -> int:
        """Number of pairs of which at least one reaches the threshold."""
        return len(self.shifts)

    @property
    def drop(self) -> float:
        """Ratio of all detections without a partner: (lost + new) / (before + after)."""
        unmatched = len(self.lost_scores) + len(self.new_scores)
        return unmatched / (self.before + self.after) if self.before + self.after else 0.0


def margin_below(threshold: float) -> float:
    """Return the minimum score of detections to compare with those that reach `threshold`."""
    return max(threshold - SCORE_MARGIN, threshold / 2)


def compare(before: Sequence[Detections], after: Sequence[Detections], threshold: float) -> Change:
    """Match the detections of each cloud.

    Detections that reach `threshold` count; their partners may score lower.
    """
    pairs = []
    lost: list[float] = []
    new: list[float] = []
    for old, fresh in zip(before, after, strict=True):
        matching = match(old, fresh)
        pairs += [
            (np.linalg.norm(fresh.boxes[j, :3] - old.boxes[i, :3]), old.scores[i], fresh.scores[j])
            for i, j in matching.pairs
        ]
        lost += [old.scores[i] for i in matching.lost if old.scores[i] >= threshold]
        new += [fresh.scores[j] for j in matching.new if fresh.scores[j] >= threshold]
    # Rows: distance, score before, score after.
    rows = np.array(pairs, np.float32).reshape(-1, 3)
    rows = rows[rows[:, 1:].max(1) >= threshold]
    return Change(
        before=sum(int((one.scores >= threshold).sum()) for one in before),
        after=sum(int((one.scores >= threshold).sum()) for one in after),
        shifts=rows[:, 0],
        score_changes=rows[:, 2] - rows[:, 1],
        lost_scores=np.array(lost, np.float32),
        new_scores=np.array(new, np.float32),
    )


class Agreement:
    """Measure for accuracy control: how far detections agree with those of the original RPN."""

    def __init__(self, bundle: ModelBundle, untouched: ov.Model, clouds: Sequence[Cloud]) -> None:
        """Run the original RPN on every cloud."""
        self._names, settings = bundle.config.rpn, bundle.config.postprocess
        self._threshold = settings.score_threshold
        self._settings = replace(settings, score_threshold=margin_below(self._threshold), publish=())
        self._canvases, self._decoder, self._clouds = CanvasMaker(bundle), Decoder(bundle.config), clouds
        compiled = ov.Core().compile_model(untouched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._wanted = [self._detect(compiled, cloud) for cloud in clouds]

    def measure(self, compiled: ov.CompiledModel, numbers: Iterable[int]) -> tuple[float, list[float]]:
        """Return 1 - drop over the clouds with these `numbers`, and for each cloud alone, as NNCF expects."""
        wanted, given = [], []
        for number in numbers:
            wanted.append(self._wanted[number])
            given.append(self._detect(compiled, self._clouds[number]))
        pairs = zip(wanted, given, strict=True)
        each = [1.0 - compare([old], [fresh], self._threshold).drop for old, fresh in pairs]
        return 1.0 - compare(wanted, given, self._threshold).drop, each

    def _detect(self, compiled: ov.CompiledModel, cloud: Cloud) -> Detections:
        results, names = compiled(self._canvases.make(cloud)), self._names
        boxes, scores, directions = (results[name] for name in (names.boxes, names.scores, names.directions))
        return self._decoder.decode(boxes, scores, directions, self._canvases.pillars, self._settings)
