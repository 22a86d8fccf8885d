# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes placed in the world, and the part of it that one sweep sees, in the lidar frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray, IntArray
from pointpillars_ov_ros.synthetic.primitives import PRIMITIVE, PrimitiveArray, Shape, place
from pointpillars_ov_ros.synthetic.world.ground import Ground, View

UNLABELLED = -1
"""Identity of objects that are part of the background."""


class Placement(NamedTuple):
    """A shape placed in the world."""

    shape: Shape
    x: float
    y: float
    z: float
    """Height of the point on the ground that it is placed by (m)."""
    yaw: float
    """Rotation about +z, 0 = +x (rad)."""
    name: str = ""
    """KITTI class; empty for the background."""
    identity: int = UNLABELLED
    """Identity of a labelled object, the same in every frame."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Velocity x y (m/s)."""


class Group(NamedTuple):
    """Placements as arrays, so that hundreds of them are moved at once; world frame."""

    primitives: PrimitiveArray
    """(K,), in the frames of their shapes."""
    owners: IntArray
    """(K,), index of the placement of each primitive."""
    poses: DoubleArray
    """(M, 4), centre x y z (m), yaw (rad)."""
    sizes: DoubleArray
    """(M, 3), length, width, height (m)."""
    names: tuple[str, ...]
    identities: IntArray
    """(M,)."""
    velocities: DoubleArray
    """(M, 2), x y (m/s)."""


class Scene(NamedTuple):
    """Everything around the sensor at one moment; lidar frame."""

    primitives: PrimitiveArray
    """(K,), those of labelled objects first, object by object; then the background, nearest first."""
    boxes: DoubleArray
    """(M, 7), boxes of the labelled objects: geometric centre x y z, l, w, h (m), yaw (rad, in [-pi, pi))."""
    names: tuple[str, ...]
    identities: IntArray
    """(M,)."""
    velocities: DoubleArray
    """(M, 2), x y (m/s)."""
    ground: Ground
    """Ground in the world frame."""
    view: View


def make_group(placements: Sequence[Placement]) -> Group:
    """Convert `placements` to arrays."""
    sizes = np.array([p.shape.size for p in placements], np.float64).reshape(-1, 3)
    poses = np.array([_centre_pose(p) for p in placements], np.float64).reshape(-1, 4)
    counts = [len(p.shape.primitives) for p in placements]
    return Group(
        np.concatenate([np.empty(0, PRIMITIVE), *(p.shape.primitives for p in placements)]),
        np.repeat(np.arange(len(placements), dtype=np.int32), counts),
        poses,
        sizes,
        tuple(p.name for p in placements),
        np.array([p.identity for p in placements], np.int32),
        np.array([p.velocity for p in placements], np.float64).reshape(-1, 2),
    )


def _centre_pose(placement: Placement) -> tuple[float, float, float, float]:
    """Return centre x y z (m) and yaw (rad) of the bounding box."""
    x, y, z = placement.shape.centre
    cos, sin = math.cos(placement.yaw), math.sin(placement.yaw)
    return placement.x + cos * x - sin * y, placement.y + sin * x + cos * y, placement.z + z, placement.yaw


def join(groups: Sequence[Group]) -> Group:
    """Return one group of all placements."""
    starts = np.concatenate([[0], np.cumsum([len(group.poses) for group in groups])])
    return Group(
        np.concatenate([group.primitives for group in groups]),
        np.concatenate([group.owners + start for group, start in zip(groups, starts, strict=False)]).astype(np.int32),
        np.concatenate([group.poses for group in groups]),
        np.concatenate([group.sizes for group in groups]),
        tuple(name for group in groups for name in group.names),
        np.concatenate([group.identities for group in groups]),
        np.concatenate([group.velocities for group in groups]),
    )


def make_scene(group: Group, ground: Ground, view: View, reach: float) -> Scene:
    """Transform `group` and `ground` to `view`, without anything farther away than `reach` (m).

    Shapes stay upright in the lidar frame where it slopes; their positions follow the slope.
    """
    poses = to_view(group.poses, view)
    radii = np.hypot(group.sizes[:, 0], group.sizes[:, 1]) / 2
    near = np.hypot(poses[:, 0], poses[:, 1]) - radii
    labelled = (group.identities != UNLABELLED) & (near < reach)
    number = np.where(labelled, np.cumsum(labelled) - 1, -1).astype(np.int32)
    owners = group.owners[near[group.owners] < reach]
    primitives = group.primitives[near[group.owners] < reach]
    primitives["object"] = number[owners]
    place(primitives, poses[owners])
    # Objects by their number, background by its distance.
    background = primitives["object"] < 0
    distance = np.hypot(primitives["x"], primitives["y"]) - np.hypot(primitives["half_x"], primitives["half_y"])
    order = np.lexsort((np.where(background, distance, primitives["object"]), background))
    turn = np.array([[view.cos, -view.sin], [view.sin, view.cos]])
    return Scene(
        primitives[order],
        np.hstack([poses[:, :3], group.sizes, poses[:, 3:]])[labelled],
        tuple(name for name, kept in zip(group.names, labelled, strict=True) if kept),
        group.identities[labelled],
        group.velocities[labelled] @ turn,
        ground,
        view,
    )


def to_view(poses: DoubleArray, view: View) -> DoubleArray:
    """Transform `poses` (M, 4), x y z (m) and yaw (rad), from the world to the lidar frame."""
    dx, dy = poses[:, 0] - view.x, poses[:, 1] - view.y
    x, y = view.cos * dx + view.sin * dy, view.cos * dy - view.sin * dx
    z = poses[:, 2] - view.z - view.pitch * x - view.roll * y
    yaw = (poses[:, 3] - math.atan2(view.sin, view.cos) + math.pi) % (2 * math.pi) - math.pi
    return np.stack([x, y, z, yaw], axis=1)
