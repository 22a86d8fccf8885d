# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: objects of other scenes pasted in, then the scene mirrored, rotated and scaled (PointPillars, 3.4).

Beyond the paper, scenes are tilted and raised, since no sensor is mounted exactly level and no road is; and points are
dropped, since real sensors lose more of them than simulated ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.training.geometry import find_owners, wrap_angle
from pointpillars_ov_ros.training.scenes import LabelledScene

MIN_POINTS = 5
"""Minimum number of points of objects that are pasted or trained with; fewer cannot be told from noise."""
_AROUND, _ENOUGH, _FLAT = 2.5, 8, 0.25
"""Search for the ground that an object is pasted on: half the edge of a square (m), minimum points, maximum drop (m).

The drop is how far the lowest points may lie below the others.
"""
_MARGIN = 0.1
"""Margin around a pasted object (m) in which existing points are removed, as they would show through."""


@dataclass(frozen=True)
class Augmentation:
    """Amounts of augmentation; `NO_AUGMENTATION` changes nothing."""

    flip: float = 0.5
    """Ratio of scenes that are mirrored about the x axis."""
    rotation: float = math.pi / 4
    """Maximum rotation about the sensor (rad)."""
    scale: float = 0.05
    """Maximum relative change of scale."""
    tilt: float = math.radians(1.5)
    """Maximum slope along x, and along y (m per m)."""
    height: float = 0.1
    """Maximum change of height (m)."""
    dropout: float = 0.4
    """Maximum ratio of points dropped, in half of the scenes."""
    paste: tuple[int, ...] = (6, 6, 12)
    """Maximum number of objects pasted per class, more for rare classes; objects that would collide are skipped."""


NO_AUGMENTATION = Augmentation(flip=0.0, rotation=0.0, scale=0.0, tilt=0.0, height=0.0, dropout=0.0, paste=())
AS_SEEN = dataclasses.replace(NO_AUGMENTATION, flip=0.5, rotation=0.3)
"""Changes only the positions of objects."""


class BankObject(NamedTuple):
    """An object cut out of its scene, in its original place, so that its points thin out with range as they should."""

    points: FloatArray
    """(K, 4), points of the object."""
    box: FloatArray
    """(7,)."""


def stand(one: BankObject, ground: float) -> BankObject:
    """Return the object moved up or down so that it stands at the height `ground` (m)."""
    rise = np.float32(ground) - (one.box[2] - one.box[5] / 2)
    points, box = one.points.copy(), one.box.copy()
    points[:, 2] += rise
    box[2] += rise
    return BankObject(points, box)


Bank = tuple[tuple[BankObject, ...], ...]
"""Objects by class."""


def make_bank(scenes: Iterable[LabelledScene], classes: int) -> Bank:
    """Cut out the objects of `scenes` that have enough points."""
    bank: list[list[BankObject]] = [[] for _ in range(classes)]
    for points, boxes, labels in scenes:
        owners = find_owners(points, boxes, 0.0)
        for k, label in enumerate(labels):
            inside = points[owners == k]
            if len(inside) >= MIN_POINTS:
                bank[label].append(BankObject(inside, boxes[k]))
    return tuple(tuple(objects) for objects in bank)


def augment(scene: LabelledScene, settings: Augmentation, bank: Bank, random: np.random.Generator) -> LabelledScene:
    """Return the scene augmented according to `settings`; the given scene stays unchanged."""
    scene = paste(scene, settings.paste, bank, random)
    if random.random() < settings.flip:
        scene = flip(scene)
    scene = rotate(scene, random.uniform(-settings.rotation, settings.rotation))
    scene = rescale(scene, random.uniform(1.0 - settings.scale, 1.0 + settings.scale))
    rises = random.uniform(-settings.tilt, settings.tilt, 2)
    scene = tilt(scene, float(rises[0]), float(rises[1]), random.uniform(-settings.height, settings.height))
    return drop(scene, random.uniform(0.0, settings.dropout), random) if random.random() < 0.5 else scene


def flip(scene: LabelledScene) -> LabelledScene:
    """Mirror about the x axis: left becomes right."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    points[:, 1] *= -1.0
    boxes[:, 1] *= -1.0
    boxes[:, 6] = wrap_angle(-boxes[:, 6])
    return LabelledScene(points, boxes, scene.labels)


def rotate(scene: LabelledScene, angle: float) -> LabelledScene:
    """Rotate about the z axis by `angle` (rad), counter-clockwise."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    cos, sin = math.cos(angle), math.sin(angle)
    T_turned_lidar = np.array([[cos, -sin], [sin, cos]], np.float32)
    points[:, :2] = points[:, :2] @ T_turned_lidar.T
    boxes[:, :2] = boxes[:, :2] @ T_turned_lidar.T
    boxes[:, 6] = wrap_angle(boxes[:, 6] + angle)
    return LabelledScene(points, boxes, scene.labels)


def rescale(scene: LabelledScene, factor: float) -> LabelledScene:
    """Scale everything about the sensor."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    points[:, :3] *= np.float32(factor)
    boxes[:, :6] *= np.float32(factor)
    return LabelledScene(points, boxes, scene.labels)


def tilt(scene: LabelledScene, pitch: float, roll: float, rise: float) -> LabelledScene:
    """Raise everything by `rise` (m), and by `pitch` and `roll` (m per m) along x and y; boxes stay upright."""
    points, boxes = scene.points.copy(), scene.boxes.copy()
    for array in (points, boxes):
        array[:, 2] += np.float32(pitch) * array[:, 0] + np.float32(roll) * array[:, 1] + np.float32(rise)
    return LabelledScene(points, boxes, scene.labels)


def drop(scene: LabelledScene, share: float, random: np.random.Generator) -> LabelledScene:
    """Drop the ratio `share` of the points."""
    return LabelledScene(scene.points[random.random(len(scene.points)) >= share], scene.boxes, scene.labels)


def find_ground(points: FloatArray, x: float, y: float) -> float | None:
    """Return the height (m) of the ground around a place, from `points` (N, 4) outside all objects.

    Returns None if the ground is not seen or not flat.
    """
    near = points[(np.abs(points[:, 0] - x) < _AROUND) & (np.abs(points[:, 1] - y) < _AROUND), 2]
    if len(near) < _ENOUGH:
        return None
    lowest, middle = np.percentile(near, (5, 35))
    return float(middle) if middle - lowest < _FLAT else None


def paste(scene: LabelledScene, counts: tuple[int, ...], bank: Bank, random: np.random.Generator) -> LabelledScene:
    """Add up to `counts` objects of each class where they overlap no other in bird's-eye view.

    Each is placed on the scene's ground; where no ground is seen, nothing is pasted.
    """
    points, boxes, labels = scene
    added: list[BankObject] = []
    bare = points[find_owners(points, boxes, _MARGIN) < 0] if any(counts) else points
    for label, (count, objects) in enumerate(zip(counts, bank, strict=False)):
        for k in random.permutation(len(objects))[:count]:
            if any(iou_bev(objects[k].box, box) > 0.0 for box in boxes):
                continue
            ground = find_ground(bare, *map(float, objects[k].box[:2]))
            if ground is None:
                continue
            added.append(stand(objects[k], ground))
            boxes = np.vstack([boxes, added[-1].box[None]])
            labels = np.append(labels, np.int32(label))
    if not added:
        return scene
    covered = find_owners(points, np.stack([one.box for one in added]), _MARGIN) >= 0
    return LabelledScene(np.vstack([points[~covered], *(one.points for one in added)]), boxes, labels)
