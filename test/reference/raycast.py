# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rays against primitives, one by one: half spaces for a frustum, quadratic equations for the round ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.synthetic.primitives import Kind, PrimitiveArray

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]
"""Interval of the ray inside the primitive; empty if the second value is not greater."""
ALL, NONE = (-math.inf, math.inf), (math.inf, -math.inf)


def crossing(primitive: Any, origin: Array, direction: Array) -> Interval:
    """Return entry and exit of a ray in the frame of the scene; (inf, -inf) if it misses."""
    turn = np.array([[primitive["cos"], primitive["sin"], 0], [-primitive["sin"], primitive["cos"], 0], [0, 0, 1]])
    start = turn @ (origin - [primitive["x"], primitive["y"], primitive["z"]])
    heading = turn @ direction
    kind = Kind(int(primitive["kind"]))
    entry, leave = {Kind.FRUSTUM: frustum, Kind.ELLIPSOID: ellipsoid, Kind.CYLINDER: cylinder}[kind](
        primitive, start, heading
    )
    return (entry, leave) if entry < leave else NONE


def frustum(primitive: Any, origin: Array, direction: Array) -> Interval:
    """Intersect the half spaces behind six planes, each through three of the eight corners."""
    z = primitive["half_z"]
    bottom, top = [primitive[f"p{k}"] for k in range(4)], [primitive[f"p{k}"] for k in range(4, 8)]
    corners = [
        np.array([spans[i], spans[2 + j], height])
        for spans, height in ((bottom, -z), (top, z))
        for i in range(2)
        for j in range(2)
    ]
    middle = np.mean(corners, axis=0)
    inside = ALL
    # Each face by three of its corners: bottom, top, then those at low and high x and y.
    for a, b, c in ((0, 1, 2), (4, 5, 6), (0, 1, 4), (2, 3, 6), (0, 2, 4), (1, 3, 5)):
        normal = np.cross(corners[b] - corners[a], corners[c] - corners[a])
        if normal @ (middle - corners[a]) > 0:
            normal = -normal
        inside = behind(normal, corners[a], origin, direction, inside)
    return inside


def ellipsoid(primitive: Any, origin: Array, direction: Array) -> Interval:
    """Solve |(o + t d) / radii| = 1."""
    radii = np.array([primitive["half_x"], primitive["half_y"], primitive["half_z"]])
    return quadratic(origin / radii, direction / radii, 1.0)


def cylinder(primitive: Any, origin: Array, direction: Array) -> Interval:
    """Solve for the distance from the axis, then cut by both ends."""
    axis = np.array([primitive["p0"], primitive["p1"], primitive["p2"]])
    half, radius = primitive["p3"], primitive["p4"]
    across = np.eye(3) - np.outer(axis, axis)
    inside = quadratic(across @ origin, across @ direction, radius)
    for end in (-1.0, 1.0):
        inside = behind(end * axis, end * half * axis, origin, direction, inside)
    return inside


def quadratic(origin: Array, direction: Array, radius: float) -> Interval:
    """Return the interval in which |origin + t direction| < radius."""
    a, b, c = direction @ direction, 2 * origin @ direction, origin @ origin - radius * radius
    if a < 1e-15:
        return ALL if c < 0 else NONE
    under = b * b - 4 * a * c
    return ((-b - math.sqrt(under)) / (2 * a), (-b + math.sqrt(under)) / (2 * a)) if under > 0 else NONE


def behind(normal: Array, point: Array, origin: Array, direction: Array, inside: Interval) -> Interval:
    """Cut an interval to what is not beyond the plane through `point`."""
    distance, speed = normal @ (origin - point), normal @ direction
    if speed == 0:
        return inside if distance <= 0 else NONE
    t = -distance / speed
    return (max(inside[0], t), inside[1]) if speed < 0 else (inside[0], min(inside[1], t))


def nearest(primitives: PrimitiveArray, origin: Array, direction: Array, max_range: float) -> tuple[float, int]:
    """Return distance and index of the first solid primitive hit by a ray from outside; (inf, -1) for none."""
    best, index = math.inf, -1
    for k, primitive in enumerate(primitives):
        entry, _ = crossing(primitive, origin, direction)
        if 0 < entry < min(best, max_range):
            best, index = entry, k
    return best, index
