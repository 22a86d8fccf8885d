# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up ground truth and detections in which every rule of KITTI's AP has something to do."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.kitti.labels import KittiObject

Frames = list[list[KittiObject]]

SIZES = {
    "Car": (1.5, 1.6, 3.9),
    "Van": (2.2, 1.9, 5.0),
    "Pedestrian": (1.75, 0.65, 0.9),
    "Person_sitting": (1.3, 0.6, 0.8),
    "Cyclist": (1.7, 0.6, 1.8),
    "Truck": (3.2, 2.6, 10.0),
    "Misc": (1.5, 1.2, 2.0),
}
"""Height, width, length (m)."""
SHARES = (0.42, 0.08, 0.2, 0.05, 0.15, 0.05, 0.05)
"""Ratios of the kinds of objects."""
SCORED = ("Car", "Pedestrian", "Cyclist")


def image_box(location: np.ndarray, size: np.ndarray) -> tuple[float, float, float, float]:
    """Return a 2D box roughly where such an object would be visible."""
    x, y, z = location
    height, width, length = size
    reach = max(width, length) / 2
    box = np.array([x - reach, y - height, x + reach, y]) / z * 700 + (600, 180, 600, 180)
    left, top, right, bottom = box.clip((0, 0, 0, 0), (1241, 374, 1241, 374)).round(2).tolist()
    return left, top, right, bottom


def an_object(
    kind: str,
    location: tuple[float, float, float] = (2.0, 1.7, 15.0),
    size: tuple[float, float, float] | None = None,
    rotation_y: float = 0.3,
    **changes: object,
) -> KittiObject:
    """Return a visible, complete object, consistent with its position."""
    size = SIZES[kind] if size is None else size
    alpha = rotation_y - math.atan2(location[0], location[2])
    box = image_box(np.array(location), np.array(size))
    made = KittiObject(kind, 0.0, 0, alpha, box, *size, location, rotation_y)
    return made._replace(**changes)


def dont_care(box: tuple[float, float, float, float]) -> KittiObject:
    """Return a region in which nothing is labelled, with the numbers that KITTI fills in."""
    return KittiObject("DontCare", -1, -1, -10, box, -1, -1, -1, (-1000, -1000, -1000), -10)


def random_frames(
    rng: np.random.Generator, frames: int, objects: int = 8, extra: int = 3, scores: int = 10_000
) -> tuple[Frames, Frames]:
    """Return ground truth and detections: found, shifted, turned, doubled, mistaken, too low, false, in regions.

    About `objects` objects and `extra` false detections a frame; scores are multiples of 1 / `scores`.
    """
    truth: Frames = []
    found: Frames = []
    for _ in range(frames):
        labels = [random_object(rng) for _ in range(rng.integers(0, 2 * objects + 1))]
        results = [result for label in labels for result in random_answers(rng, label, scores)]
        results += [scored(rng, random_object(rng, SCORED), scores) for _ in range(rng.integers(0, 2 * extra + 1))]
        regions = [dont_care(around(rng, result.bbox)) for result in results if rng.random() < 0.08]
        rows = labels + regions
        truth.append([rows[i] for i in rng.permutation(len(rows))])
        found.append([results[i] for i in rng.permutation(len(results))])
    return truth, found


def random_object(rng: np.random.Generator, kinds: tuple[str, ...] = tuple(SIZES)) -> KittiObject:
    """Return an object anywhere ahead, occluded and truncated by chance."""
    shares = None if kinds == SCORED else SHARES
    kind = kinds[rng.choice(len(kinds), p=shares)]
    size = tuple((np.array(SIZES[kind]) * rng.uniform(0.8, 1.2, 3)).round(2).tolist())
    depth = rng.uniform(5, 60)
    location = (round(rng.uniform(-0.8, 0.8) * depth, 2), round(rng.uniform(1.2, 2.0), 2), round(depth, 2))
    occluded = int(rng.choice(4, p=(0.5, 0.25, 0.2, 0.05)))
    truncated = round(float(max(0.0, rng.uniform(-1.0, 0.7))), 2)
    made = an_object(kind, location, size, round(rng.uniform(-math.pi, math.pi), 2))
    return made._replace(occluded=occluded, truncated=truncated, alpha=round(made.alpha, 2))


def random_answers(rng: np.random.Generator, label: KittiObject, scores: int) -> list[KittiObject]:
    """Return the detections of one object: none, one or several, of the right class mostly."""
    count = rng.choice(4, p=(0.15, 0.6, 0.2, 0.05))
    answers = []
    for _ in range(count):
        kind = label.type if rng.random() < 0.93 else str(rng.choice(SCORED))
        kind = {"Van": "Car", "Person_sitting": "Pedestrian", "Truck": "Car", "Misc": "Cyclist"}.get(kind, kind)
        spread = rng.choice([0.0, 0.02, 0.06, 0.15])
        location = np.array(label.location) + rng.normal(0, spread, 3) * (label.length, 0.5, label.length)
        size = np.array([label.height, label.width, label.length]) * (1 + rng.normal(0, spread / 2, 3))
        turn = rng.normal(0, spread) + math.pi * (rng.random() < 0.1)
        box = np.array(label.bbox) + rng.normal(0, spread * 20, 4)
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        answer = label._replace(
            type=kind,
            truncated=-1.0,
            occluded=-1,
            alpha=round(label.alpha + turn, 2),
            bbox=tuple(box.round(2).tolist()),
            height=round(size[0], 2),
            width=round(size[1], 2),
            length=round(size[2], 2),
            location=tuple(location.round(2).tolist()),
            rotation_y=round(label.rotation_y + turn, 2),
        )
        answers.append(scored(rng, answer, scores))
    return answers


def scored(rng: np.random.Generator, result: KittiObject, scores: int) -> KittiObject:
    """Return the detection with a score."""
    return result._replace(score=round(float(rng.integers(1, scores) / scores), 6))


def around(rng: np.random.Generator, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return a region that covers most of a box."""
    width, height = box[2] - box[0], box[3] - box[1]
    margin = rng.uniform(-0.2, 0.3, 4) * (width, height, width, height) * (-1, -1, 1, 1)
    left, top, right, bottom = (np.array(box) + margin).round(2).tolist()
    return left, top, right, bottom
