# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""First hit of each ray of a sweep among the primitives of a scene: a depth buffer over beams and columns."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray
from pointpillars_ov_ros.synthetic.lidar.intersection import intersect
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep
from pointpillars_ov_ros.synthetic.lidar.window import find_window, may_meet
from pointpillars_ov_ros.synthetic.primitives import PrimitiveArray, Record, Surface
from pointpillars_ov_ros.synthetic.randomness import ray_unit

NOTHING, GROUND = -1, -2
"""Values for rays that hit no primitive."""
_POROUS, _VOLUME, _GRID, _GLOSSY = (int(s) for s in (Surface.POROUS, Surface.VOLUME, Surface.GRID, Surface.GLOSSY))
_OPEN_FROM, _OPEN_TO = 0.3, 0.8
"""Interval of the rise in which a grid is open: the windows of a storey."""


class Hits(NamedTuple):
    """First hits of the rays, by ray number."""

    depth: DoubleArray
    """(rays,), distance (m), infinite if there is no hit."""
    primitive: IntArray
    """(rays,), index of the primitive, GROUND or NOTHING."""
    cosine: FloatArray
    """(rays,), cosine between ray and surface normal, 0 to 1."""
    alone: IntArray
    """(objects,), number of rays that would hit each labelled object if it were alone."""


def cast(primitives: PrimitiveArray, velocities: DoubleArray, sweep: Sweep, max_range: float, key: int) -> Hits:
    """Cast the rays of `sweep` at `primitives` (K,) in the lidar frame.

    Primitives of one labelled object are contiguous; `velocities` (objects, 2) m/s. Nothing beyond `max_range` (m) is
    hit. `key` decides which rays pass through porous surfaces.
    """
    rays = sweep.directions.shape[0] * sweep.directions.shape[1]
    hits = Hits(
        np.full(rays, np.inf),
        np.full(rays, NOTHING, np.int32),
        np.zeros(rays, np.float32),
        np.zeros(len(velocities), np.int32),
    )
    last_object = np.full(rays, -1, np.int32)
    cast_rays(primitives, velocities, sweep, max_range, np.uint64(key), hits, last_object)
    return hits


@njit(nogil=True, cache=True, error_model="numpy")
def cast_rays(
    primitives: PrimitiveArray,
    velocities: DoubleArray,
    sweep: Sweep,
    max_range: float,
    key: np.uint64,
    hits: Hits,
    last_object: IntArray,
) -> None:
    """Fill `hits`; `last_object` (rays,), -1 at first, is the last labelled object that a ray was found to hit."""
    directions, shifts, times, heights = sweep.directions, sweep.shifts, sweep.times, sweep.heights
    tangents, depths, met, cosines, alone = sweep.tangents, hits.depth, hits.primitive, hits.cosine, hits.alone
    columns = directions.shape[1]
    for index in range(primitives.shape[0]):
        primitive = primitives[index]
        first, count, near, far = find_window(primitive, sweep.slack, sweep.phase, sweep.step, columns)
        if near > max_range:
            continue
        owner = primitive.object
        vx, vy = 0.0, 0.0
        if owner >= 0:
            vx, vy = velocities[owner, 0], velocities[owner, 1]
        for beam in range(directions.shape[0]):
            if not may_meet(primitive, near, far, heights[beam], tangents[beam]):
                continue
            z = heights[beam] - primitive.z
            for step in range(count):
                column = first + step - (columns if first + step >= columns else 0)
                ray = beam * columns + column
                if owner < 0 and depths[ray] <= near:
                    continue
                x = shifts[column, 0] - vx * times[column] - primitive.x
                y = shifts[column, 1] - vy * times[column] - primitive.y
                dx, dy, dz = directions[beam, column, 0], directions[beam, column, 1], directions[beam, column, 2]
                depth, cosine = meet(primitive, index, x, y, z, dx, dy, dz, key, ray)
                if depth > max_range:
                    continue
                if owner >= 0 and last_object[ray] != owner:
                    last_object[ray] = owner
                    alone[owner] += 1
                if depth < depths[ray]:
                    depths[ray] = depth
                    met[ray] = index
                    cosines[ray] = cosine


@njit(nogil=True, cache=True, error_model="numpy")
def meet(
    primitive: Record,
    index: int,
    x: float,
    y: float,
    z: float,
    dx: float,
    dy: float,
    dz: float,
    key: np.uint64,
    ray: int,
) -> tuple[float, float]:
    """Return distance (m) and cosine at which a ray is stopped by a primitive, infinity if it passes.

    The origin x y z is relative to the primitive's centre, the axes are those of the lidar frame.
    """
    x, y = primitive.cos * x + primitive.sin * y, primitive.cos * y - primitive.sin * x
    dx, dy = primitive.cos * dx + primitive.sin * dy, primitive.cos * dy - primitive.sin * dx
    entry, leave, cosine = intersect(primitive, x, y, z, dx, dy, dz)
    if entry == math.inf or leave <= 0.0:
        return math.inf, 0.0
    if primitive.surface == _VOLUME:
        way = -math.log(1.0 - ray_unit(key, ray, 2 * index)) / primitive.opening
        depth = max(entry, 0.0) + way
        # Leaves have any orientation.
        return (depth, 1.0 - 0.8 * ray_unit(key, ray, 2 * index + 1)) if depth < leave else (math.inf, 0.0)
    if entry <= 0.0:
        return math.inf, 0.0
    if primitive.surface == _POROUS and ray_unit(key, ray, 2 * index) < primitive.opening:
        return math.inf, 0.0
    if primitive.surface == _GLOSSY and ray_unit(key, ray, 2 * index) < 2.0 * primitive.opening * (1.0 - cosine):
        return entry, 0.0
    if primitive.surface == _GRID and in_opening(primitive, x + entry * dx, y + entry * dy, z + entry * dz):
        return math.inf, 0.0
    return entry, cosine


@njit(nogil=True, cache=True, error_model="numpy")
def in_opening(primitive: Record, x: float, y: float, z: float) -> bool:
    """Whether a point of the surface (m, own frame) is in one of the holes of a GRID."""
    if abs(z) > primitive.half_z - 1e-6:
        return False
    along = y if abs(abs(x) - primitive.half_x) < 1e-6 else x
    if (along / primitive.pitch) % 1.0 >= primitive.opening:
        return False
    level = ((z + primitive.half_z) / primitive.rise) % 1.0 if primitive.rise > 0.0 else _OPEN_FROM
    return _OPEN_FROM <= level < _OPEN_TO
