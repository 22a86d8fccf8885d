# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of the networks as they run with the bundle's networks on CPU in float32, for one cloud.

Some devices return wrong results in some precision without an error. A tensor or a detection that differs by more than
the tolerances is a mismatch, and so are values that are not finite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.errors import OutputError
from pointpillars_ov_ros.config.model_config import ModelConfig, PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.matching import corner_shift, match
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.slot.frame_slot import Answer

_LEAST_SCORE = 0.01
"""Scores below this are the thousands of anchors without an object."""
_TIE_SCORE = 0.02
"""Maximum difference in score of two overlapping boxes for which NMS may keep either."""


class Tolerances(NamedTuple):
    """Tolerances for the difference between an answer and the reference."""

    min_correlation: float
    """Minimum correlation of every tensor."""
    max_shift: float
    """Maximum shift of any corner of a box (m)."""
    max_score_change: float

    @classmethod
    def of(cls, runtime: RuntimeConfig) -> Tolerances:
        """Take the tolerances from the settings."""
        return cls(runtime.parity_min_correlation, runtime.parity_max_shift, runtime.parity_max_score_change)


class TensorAgreement(NamedTuple):
    """Difference of one output of a network from the reference."""

    name: str
    """`features` of the PFE; `boxes`, `scores` or `directions` of the RPN."""
    max_error: float
    """Maximum absolute difference; NaN if either is not finite, like the next two."""
    relative_error: float
    """`max_error` relative to the maximum absolute value of the reference."""
    correlation: float
    """Lin's concordance: like Pearson's, 1 for equal values, but a scale or an offset lowers it."""
    not_finite: int
    """Number of values that are NaN or infinite."""
    size: int

    @property
    def worst(self) -> tuple[int, float]:
        """Sort key that puts the worst last."""
        return self.not_finite, -self.correlation


class Fate(str, Enum):
    """Outcome of comparing one detection with the reference."""

    MATCHED = "matched"
    SHIFTED = "shifted"
    """A corner of its box moved by more than the tolerance."""
    TIED = "tied"
    """NMS kept another box than in the reference, which has both with nearly equal scores."""
    RESCORED = "rescored"
    """Its score changed by more than the tolerance."""
    LOST = "lost"
    NEW = "new"
    """The reference does not have it."""


@dataclass(frozen=True)
class DetectionAgreement:
    """One detection of the reference, of the checked networks, or of both."""

    fate: Fate
    class_name: str
    box: FloatArray
    """(7,), box of the reference; of the checked networks if it is NEW."""
    score: float | None
    """Score in the reference."""
    new_score: float | None
    shift: float | None
    """Shift of the corner that moved farthest (m)."""
    new_box: FloatArray | None = None
    """(7,), box of the checked networks; None if it is LOST or NEW."""

    @property
    def score_change(self) -> float | None:
        """How much higher it scores than in the reference."""
        return None if self.score is None or self.new_score is None else self.new_score - self.score


@dataclass(frozen=True)
class Comparison:
    """Two answers to the same cloud."""

    tensors: tuple[TensorAgreement, ...]
    detections: tuple[DetectionAgreement, ...]
    mismatch: str
    """What exceeds the tolerances, as a clause; empty if nothing does."""


def compare_answers(
    reference: Answer,
    answer: Answer,
    points: FloatArray,
    config: ModelConfig,
    settings: PostprocessConfig,
    tolerances: Tolerances,
) -> Comparison:
    """Compare the answers to `points` (N, 4), decoded into the detections that `settings` would publish."""
    tensors = tuple(
        compare_tensors(name, wanted, given)
        for name, wanted, given in zip(Answer._fields, reference, answer, strict=True)
    )
    pillars = Pillars(config.grid)
    pillars.group(points)
    # A detection that falls below a threshold by no more than the tolerance must still be found.
    lowest = min(least_score(settings, name) for name in config.classes)
    least = max(lowest - tolerances.max_score_change, min(_LEAST_SCORE, lowest))
    decoder, lenient = Decoder(config), replace(settings, score_threshold=least, publish=())
    before, after = (decode(decoder, each, pillars, lenient) for each in (reference, answer))
    detections = compare_detections(before, after, config.classes, settings, tolerances)
    if any(detection.fate is Fate.SHIFTED for detection in detections):
        everything = replace(lenient, nms_threshold=1.0, max_detections=settings.max_candidates)
        candidates = decode(decoder, reference, pillars, everything)
        detections = [find_tie(detection, candidates, config.classes, tolerances) for detection in detections]
    return Comparison(tensors, tuple(detections), find_mismatch(tensors, tuple(detections), tolerances))


def compare_tensors(name: str, wanted: FloatArray, given: FloatArray) -> TensorAgreement:
    """Compare two arrays of one shape."""
    not_finite = int(wanted.size - np.isfinite(given).sum()) + int(wanted.size - np.isfinite(wanted).sum())
    if not_finite:
        return TensorAgreement(name, np.nan, np.nan, np.nan, not_finite, wanted.size)
    wanted, given = wanted.ravel(), given.ravel()
    error = float(np.abs(given - wanted).max(initial=0.0))
    largest = float(max(wanted.max(initial=0.0), -wanted.min(initial=0.0)))
    relative = error / largest if largest else float(np.inf if error else 0.0)
    return TensorAgreement(name, error, relative, concordance(wanted, given), 0, wanted.size)


def concordance(wanted: FloatArray, given: FloatArray) -> float:
    """Return Lin's concordance correlation of two arrays (N,), in [-1, 1]; 1 for equal values, even constant ones."""
    if np.array_equal(wanted, given):
        return 1.0
    one, other = wanted.astype(np.float64), given.astype(np.float64)
    offset = float(other.mean() - one.mean())
    one -= one.mean()
    other -= other.mean()
    spread = float(one @ one + other @ other) + len(one) * offset**2
    return 2.0 * float(one @ other) / spread


def decode(decoder: Decoder, answer: Answer, pillars: Pillars, settings: PostprocessConfig) -> Detections:
    """Decode; an answer that cannot be decoded has no detections."""
    try:
        return decoder.decode(answer.boxes, answer.scores, answer.directions, pillars, settings)
    except OutputError:
        return Detections.empty()


def least_score(settings: PostprocessConfig, class_name: str, box: FloatArray | None = None) -> float:
    """Return the minimum score at which a `box` (7,) of a class is published; without a box, the minimum anywhere."""
    for threshold in settings.publish:
        if threshold.class_name == class_name:
            if box is None:
                return min(threshold.score, threshold.score_beyond)
            return threshold.score_beyond if np.hypot(box[0], box[1]) > threshold.far_from else threshold.score
    return settings.score_threshold


def compare_detections(
    before: Detections,
    after: Detections,
    classes: tuple[str, ...],
    settings: PostprocessConfig,
    tolerances: Tolerances,
) -> list[DetectionAgreement]:
    """Compare detections of which at least one would be published; best of the reference first, new ones last."""
    matching, compared = match(before, after), []
    partners = dict(matching.pairs)
    for i, (box, score, label) in enumerate(zip(before.boxes, before.scores, before.labels, strict=True)):
        name, j = classes[label], partners.get(i)
        threshold = least_score(settings, name, box)
        if j is None:
            if score >= threshold:
                compared.append(DetectionAgreement(Fate.LOST, name, box, float(score), None, None))
            continue
        fresh = float(after.scores[j])
        if max(score, fresh) >= threshold:
            shift = corner_shift(box, after.boxes[j])
            fate = judge(shift, fresh - float(score), tolerances)
            compared.append(DetectionAgreement(fate, name, box, float(score), fresh, shift, after.boxes[j]))
    for j in matching.new:
        name = classes[after.labels[j]]
        if after.scores[j] >= least_score(settings, name, after.boxes[j]):
            compared.append(DetectionAgreement(Fate.NEW, name, after.boxes[j], None, float(after.scores[j]), None))
    return compared


def judge(shift: float, score_change: float, tolerances: Tolerances) -> Fate:
    """Return the outcome for a detection that has a partner."""
    if shift > tolerances.max_shift:
        return Fate.SHIFTED
    return Fate.RESCORED if abs(score_change) > tolerances.max_score_change else Fate.MATCHED


def find_tie(
    detection: DetectionAgreement, candidates: Detections, classes: tuple[str, ...], tolerances: Tolerances
) -> DetectionAgreement:
    """Return a SHIFTED detection as TIED if its new box is among the reference's `candidates` for NMS.

    Which of two boxes with scores 0.0002 apart NMS keeps is chance, in any precision. Both are the reference's own.
    """
    if detection.fate is not Fate.SHIFTED or detection.new_box is None or detection.score is None:
        return detection
    is_alike = np.abs(candidates.scores - detection.score) <= _TIE_SCORE
    is_alike &= candidates.labels == classes.index(detection.class_name)
    shifts = [corner_shift(box, detection.new_box) for box in candidates.boxes[is_alike]]
    # Much nearer than the tolerance, which is for boxes without a better match in the reference.
    return replace(detection, fate=Fate.TIED) if min(shifts, default=np.inf) <= tolerances.max_shift / 5 else detection


def find_mismatch(
    tensors: tuple[TensorAgreement, ...], detections: tuple[DetectionAgreement, ...], tolerances: Tolerances
) -> str:
    """Name the first tensor in pipeline order that is off, or else the best detection that is; empty if none is."""
    for tensor in tensors:
        if tensor.not_finite:
            return f"{tensor.name}: {tensor.not_finite} of {tensor.size} values are NaN or infinite"
    for tensor in tensors:
        # Written so that NaN is a mismatch, too.
        if not tensor.correlation >= tolerances.min_correlation:
            return f"{tensor.name}: correlation {figure(tensor.correlation)} is below {tolerances.min_correlation:g}"
    off = [detection for detection in detections if detection.fate not in (Fate.MATCHED, Fate.TIED)]
    if not off:
        return ""
    worst = max(off, key=lambda detection: max(detection.score or 0.0, detection.new_score or 0.0))
    others = f", and {len(off) - 1} more" if len(off) > 1 else ""
    return f"{describe(worst, tolerances)}{others}"


def describe(detection: DetectionAgreement, tolerances: Tolerances) -> str:
    """Describe the outcome of a detection."""
    where = f"{detection.class_name} at x {detection.box[0]:.1f}, y {detection.box[1]:.1f} m"
    if detection.fate is Fate.LOST:
        return f"{where} with score {detection.score:.2f} is lost"
    if detection.fate is Fate.NEW:
        return f"{where} with score {detection.new_score:.2f} is new"
    if detection.fate is Fate.SHIFTED:
        return f"{where} is shifted by {detection.shift:.3g} m, more than {tolerances.max_shift:g}"
    return (
        f"{where} scores {detection.new_score:.3f} instead of {detection.score:.3f}, "
        f"more than {tolerances.max_score_change:g} apart"
    )


def figure(correlation: float) -> str:
    """Format a correlation so that it can be told from 1."""
    for digits in range(4, 9):
        if round(correlation, digits) != 1.0:
            return f"{correlation:.{digits}f}"
    return "1" if correlation >= 1.0 else f"1 - {1.0 - correlation:.1g}"
