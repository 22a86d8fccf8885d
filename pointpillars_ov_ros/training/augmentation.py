# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: objects of other scenes pasted in, then the scene mirrored, turned and scaled (PointPillars, 3.4)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.training.geometry import find_owners, wrap_angle
from pointpillars_ov_ros.training.scenes import Scene

MIN_POINTS = 5
"""Objects with fewer are neither pasted nor trained with: nobody could tell them from noise."""
_MARGIN = 0.1
"""Around a pasted object (m): what stood there before is taken away this far, as it would show through."""


@dataclass(frozen=True)
class Augmentation:
    """How much is changed; `NO_AUGMENTATION` changes nothing."""

    flip: float = 0.5
    """Share of scenes that are mirrored about the x axis."""
    rotation: float = math.pi / 4
    """Largest turn about the sensor (rad)."""
    scale: float = 0.05
    """Largest change of scale, as a share."""
    paste: tuple[int, ...] = (6, 6, 12)
    """Most objects pasted of each class, more of those that streets have few of; those that would collide are not."""


NO_AUGMENTATION = Augmentation(flip=0.0, rotation=0.0, scale=0.0, paste=())


class BankObject(NamedTuple):
    """An object cut out of its scene, where it stood: its points thin out with range as they should."""

    points: FloatArray
    """(K, 4)."""
    box: FloatArray
    """(7,)."""


Bank = tuple[tuple[BankObject, ...], ...]
"""Objects of each class."""


def make_bank(scenes: Iterable[Scene], classes: int) -> Bank:
    """Cut out the objects of `scenes` that have points enough."""
    bank: list[list[BankObject]] = [[] for _ in range(classes)]
    for points, boxes, labels in scenes:
        owners = find_owners(points, boxes, 0.0)
        for k, label in enumerate(labels):
            inside = points[owners == k]
            if len(inside) >= MIN_POINTS:
                bank[label].append(BankObject(inside, boxes[k]))
    return tuple(tuple(objects) for objects in bank)


def augment(scene: Scene, settings: Augmentation, bank: Bank, random: np.random.Generator) -> Scene:
    """Change a scene as `settings` say; the one given is left as it is."""
    scene = paste(scene, settings.paste, bank, random)
    if random.random() < settings.flip:
        scene = flip(scene)
    scene = rotate(scene, random.uniform(-settings.rotation, settings.rotation))
    return rescale(scene, random.uniform(1.0 - settings.scale, 1.0 + settings.scale))


def flip(scene: Scene) -> Scene:
    """Mirror about the x axis: left becomes right."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    points[:, 1] *= -1.0
    boxes[:, 1] *= -1.0
    boxes[:, 6] = wrap_angle(-boxes[:, 6])
    return Scene(points, boxes, scene.labels)


def rotate(scene: Scene, angle: float) -> Scene:
    """Turn about the z axis by `angle` (rad), counter-clockwise."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    cos, sin = math.cos(angle), math.sin(angle)
    T_turned_lidar = np.array([[cos, -sin], [sin, cos]], np.float32)
    points[:, :2] = points[:, :2] @ T_turned_lidar.T
    boxes[:, :2] = boxes[:, :2] @ T_turned_lidar.T
    boxes[:, 6] = wrap_angle(boxes[:, 6] + angle)
    return Scene(points, boxes, scene.labels)


def rescale(scene: Scene, factor: float) -> Scene:
    """Scale everything about the sensor."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    points[:, :3] *= np.float32(factor)
    boxes[:, :6] *= np.float32(factor)
    return Scene(points, boxes, scene.labels)


def paste(scene: Scene, counts: tuple[int, ...], bank: Bank, random: np.random.Generator) -> Scene:
    """Add up to `counts` objects of each class, where they stand free of all others seen from above."""
    points, boxes, labels = scene
    added: list[BankObject] = []
    for label, (count, objects) in enumerate(zip(counts, bank, strict=False)):
        for k in random.permutation(len(objects))[:count]:
            if any(iou_bev(objects[k].box, box) > 0.0 for box in boxes):
                continue
            added.append(objects[k])
            boxes = np.vstack([boxes, objects[k].box[None]])
            labels = np.append(labels, np.int32(label))
    if not added:
        return scene
    covered = find_owners(points, np.stack([one.box for one in added]), _MARGIN) >= 0
    return Scene(np.vstack([points[~covered], *(one.points for one in added)]), boxes, labels)
