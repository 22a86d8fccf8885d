# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI AP object by object, threshold by threshold, straight from the rules; overlaps by shapely."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import pytest

from pointpillars_ov_ros.kitti.labels import KittiObject

shapely = pytest.importorskip("shapely", reason="the slow twins need it: `make env`, or pip install shapely")

Frames = Sequence[Sequence[KittiObject]]

NEIGHBOURS = {"car": "van", "pedestrian": "person_sitting", "cyclist": None}
MIN_OVERLAP = {"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5}
LIMITS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.30), "hard": (25, 2, 0.50)}
"""Height (pixels), occlusion, truncation."""


def precisions(
    truth: Frames, found: Frames, class_name: str, metric: str, difficulty: str, min_overlap: float | None = None
) -> list[float]:
    """Return the precision (of metric "aos": the orientation similarity) at the 41 steps of recall."""
    wanted = class_name.lower()
    limit = MIN_OVERLAP[wanted] if min_overlap is None else min_overlap
    frames = [Frame(t, f, wanted, metric, difficulty, limit) for t, f in zip(truth, found, strict=True)]
    objects = sum(role == "counts" for frame in frames for role in frame.truth_roles)
    scores = [score for frame in frames for score in frame.scores_of_found()]
    values = []
    for threshold in thresholds(scores, objects):
        right, wrong, similarity = 0, 0, 0.0
        for frame in frames:
            deltas, false = frame.count(threshold)
            right += len(deltas)
            wrong += false
            similarity += sum((1 + math.cos(delta)) / 2 for delta in deltas)
        share = similarity if metric == "aos" else right
        values.append(share / (right + wrong) if right + wrong else 0.0)
    values += [0.0] * (41 - len(values))
    return [max(values[k:]) for k in range(41)]


def ap_r40(values: Sequence[float]) -> float:
    """Average over recall 1/40, 2/40 … 1 (%)."""
    return sum(values[1:]) / 40 * 100


def ap_r11(values: Sequence[float]) -> float:
    """Average over recall 0, 0.1 … 1 (%)."""
    return sum(values[k] for k in range(0, 41, 4)) / 11 * 100


def thresholds(scores: Sequence[float], objects: int) -> list[float]:
    """Choose the scores whose recall comes nearest to 0, 1/40, 2/40 …"""
    ranked = sorted(scores, reverse=True)
    chosen: list[float] = []
    aim = 0.0
    for place, score in enumerate(ranked):
        if place + 1 < len(ranked):
            recall, next_recall = (place + 1) / objects, (place + 2) / objects
            if next_recall - aim < aim - recall:
                continue
        chosen.append(score)
        aim += 1 / 40
    return chosen


class Frame:
    """One frame as seen by one class, metric and difficulty."""

    def __init__(
        self,
        truth: Sequence[KittiObject],
        found: Sequence[KittiObject],
        wanted: str,
        metric: str,
        difficulty: str,
        min_overlap: float,
    ) -> None:
        self.truth, self.found, self.metric, self.min_overlap = truth, found, metric, min_overlap
        height, occlusion, truncation = LIMITS[difficulty]
        self.truth_roles = []
        for label in truth:
            kind = label.type.lower()
            role = "none"
            if kind == wanted:
                role = "counts"
                if label.occluded > occlusion or label.truncated > truncation:
                    role = "ignored"
                if label.bbox[3] - label.bbox[1] <= height:
                    role = "ignored"
            elif kind == NEIGHBOURS[wanted]:
                role = "ignored"
            self.truth_roles.append(role)
        self.found_roles = []
        for result in found:
            role = "counts" if result.type.lower() == wanted else "none"
            if abs(result.bbox[3] - result.bbox[1]) < height:
                role = "ignored"
            self.found_roles.append(role)

    def overlap(self, label: int, result: int, of_detection: bool = False) -> float:
        """Return the overlap of a label and a result."""
        return overlap(self.truth[label], self.found[result], self.metric, of_detection)

    def scores_of_found(self) -> list[float]:
        """Return the scores of objects found, each by the best-scored detection that is left."""
        scores = []
        free = set(range(len(self.found)))
        for label, role in enumerate(self.truth_roles):
            if role == "none":
                continue
            rivals = [
                result
                for result in sorted(free)
                if self.found_roles[result] != "none" and self.overlap(label, result) > self.min_overlap
            ]
            if not rivals:
                continue
            taken = max(rivals, key=lambda result: self.found[result].score)
            free.remove(taken)
            if role == "counts" and self.found_roles[taken] == "counts":
                scores.append(self.found[taken].score)
        return scores

    def count(self, threshold: float) -> tuple[list[float], int]:
        """Return the differences of alpha of true positives, and the number of false ones."""
        deltas = []
        free = {result for result, one in enumerate(self.found) if one.score >= threshold}
        for label, role in enumerate(self.truth_roles):
            if role == "none":
                continue
            rivals = [result for result in sorted(free) if self.overlap(label, result) > self.min_overlap]
            counted = [result for result in rivals if self.found_roles[result] == "counts"]
            ignored = [result for result in rivals if self.found_roles[result] == "ignored"]
            if counted:
                taken = max(counted, key=lambda result: self.overlap(label, result))
                free.remove(taken)
                if role == "counts":
                    deltas.append(self.truth[label].alpha - self.found[taken].alpha)
            elif ignored:
                free.remove(ignored[0])
        false = 0
        for result in free:
            if self.found_roles[result] == "counts":
                regions = [k for k, label in enumerate(self.truth) if label.type.lower() == "dontcare"]
                false += not any(self.overlap(region, result, True) > self.min_overlap for region in regions)
        return deltas, false


@functools.cache
def overlap(label: KittiObject, result: KittiObject, metric: str, of_detection: bool) -> float:
    """Return intersection over union, or over the detection alone."""
    if metric in ("2d", "aos"):
        a, b = shapely.box(*label.bbox), shapely.box(*result.bbox)
        common, size_a, size_b = a.intersection(b).area, a.area, b.area
    else:
        a, b = ground(label), ground(result)
        common, size_a, size_b = a.intersection(b).area, a.area, b.area
        if metric == "3d":
            top = max(label.location[1] - label.height, result.location[1] - result.height)
            common *= max(0.0, min(label.location[1], result.location[1]) - top)
            size_a, size_b = size_a * label.height, size_b * result.height
    return common / (size_b if of_detection else size_a + size_b - common)


@functools.cache
def ground(box: KittiObject) -> shapely.Polygon:
    """Return a box as seen from above, in x and z of the camera."""
    x, _, z = box.location
    cos, sin = math.cos(box.rotation_y), math.sin(box.rotation_y)
    sides = [(box.length / 2, box.width / 2), (box.length / 2, -box.width / 2)]
    sides += [(-a, -b) for a, b in sides]
    return shapely.Polygon([(x + cos * a + sin * b, z - sin * a + cos * b) for a, b in sides])
