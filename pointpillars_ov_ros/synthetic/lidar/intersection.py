# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection of a ray with a primitive; all primitives are convex.

Ray and primitive are in the primitive's own frame. A ray is an origin (x y z, m) and a unit direction. Every function
returns the distances (m) at which the ray enters and leaves, and the cosine between the ray and the surface where it
enters. A ray that misses enters at infinity; one that starts inside enters at a negative distance.
"""

from __future__ import annotations

import math

from numba import njit

from pointpillars_ov_ros.synthetic.primitives import Kind, Record

_FRUSTUM, _ELLIPSOID = int(Kind.FRUSTUM), int(Kind.ELLIPSOID)
Crossing = tuple[float, float, float]
MISS: Crossing = (math.inf, math.inf, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def intersect(primitive: Record, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> Crossing:
    """Intersect the ray (x y z, dx dy dz) with a PRIMITIVE record; return (entry, exit, cosine)."""
    if primitive.kind == _FRUSTUM:
        return intersect_frustum(primitive, x, y, z, dx, dy, dz)
    if primitive.kind == _ELLIPSOID:
        return intersect_ellipsoid(primitive.half_x, primitive.half_y, primitive.half_z, x, y, z, dx, dy, dz)
    return intersect_cylinder(primitive, x, y, z, dx, dy, dz)


@njit(nogil=True, cache=True, error_model="numpy")
def clip(outside: float, approach: float, entry: float, leave: float, cosine: float) -> Crossing:
    """Clip the interval entry … leave to the inner side of a plane.

    `outside` is the origin's distance beyond the plane, `approach` the cosine between direction and outward normal.
    Returns (entry, leave, cosine), with an infinite entry if nothing is left.
    """
    if approach < 0.0:
        t = -outside / approach
        if t > entry:
            entry, cosine = t, -approach
    elif approach > 0.0:
        t = -outside / approach
        if t < leave:
            leave = t
    elif outside > 0.0:
        entry = math.inf
    return entry, leave, cosine


@njit(nogil=True, cache=True, error_model="numpy")
def intersect_frustum(primitive: Record, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> Crossing:
    """Clip the ray by the top and bottom planes, then by the four sides, each of which leans by `lean` per metre up."""
    half = primitive.half_z
    entry, leave, cosine = -math.inf, math.inf, 0.0
    entry, leave, cosine = clip(z - half, dz, entry, leave, cosine)
    entry, leave, cosine = clip(-z - half, -dz, entry, leave, cosine)
    for side in range(4):
        if side == 0:
            low, high, sign, across, heading = primitive.p1, primitive.p5, 1.0, x, dx
        elif side == 1:
            low, high, sign, across, heading = primitive.p0, primitive.p4, -1.0, x, dx
        elif side == 2:
            low, high, sign, across, heading = primitive.p3, primitive.p7, 1.0, y, dy
        else:
            low, high, sign, across, heading = primitive.p2, primitive.p6, -1.0, y, dy
        lean = (high - low) / (2.0 * half)
        scale = sign / math.sqrt(1.0 + lean * lean)
        outside = (across - (low + high) / 2.0 - lean * z) * scale
        entry, leave, cosine = clip(outside, (heading - lean * dz) * scale, entry, leave, cosine)
        if entry >= leave:
            return MISS
    return entry, leave, cosine


@njit(nogil=True, cache=True, error_model="numpy")
def intersect_ellipsoid(
    rx: float, ry: float, rz: float, x: float, y: float, z: float, dx: float, dy: float, dz: float
) -> Crossing:
    """Intersect the ray with the ellipsoid of radii rx ry rz, by scaling it to a unit sphere."""
    ox, oy, oz, ux, uy, uz = x / rx, y / ry, z / rz, dx / rx, dy / ry, dz / rz
    a = ux * ux + uy * uy + uz * uz
    b = ox * ux + oy * uy + oz * uz
    # The distance of the line from the centre: b * b - a * c would lose it for a distant origin.
    wx, wy, wz = ox - b / a * ux, oy - b / a * uy, oz - b / a * uz
    inside = 1.0 - (wx * wx + wy * wy + wz * wz)
    if inside <= 0.0:
        return MISS
    reach = math.sqrt(inside / a)
    entry = -b / a - reach
    nx, ny, nz = (ox + entry * ux) / rx, (oy + entry * uy) / ry, (oz + entry * uz) / rz
    cosine = abs(nx * dx + ny * dy + nz * dz) / math.sqrt(nx * nx + ny * ny + nz * nz)
    return entry, -b / a + reach, cosine


@njit(nogil=True, cache=True, error_model="numpy")
def intersect_cylinder(primitive: Record, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> Crossing:
    """Intersect the ray with the infinite cylinder around the axis, then clip it by the two ends."""
    ax, ay, az, half, radius = primitive.p0, primitive.p1, primitive.p2, primitive.p3, primitive.p4
    height, rise = x * ax + y * ay + z * az, dx * ax + dy * ay + dz * az
    ox, oy, oz = x - height * ax, y - height * ay, z - height * az
    ux, uy, uz = dx - rise * ax, dy - rise * ay, dz - rise * az
    a = ux * ux + uy * uy + uz * uz
    entry, leave, cosine = -math.inf, math.inf, 0.0
    if a > 1e-18:
        middle = -(ox * ux + oy * uy + oz * uz) / a
        wx, wy, wz = ox + middle * ux, oy + middle * uy, oz + middle * uz
        inside = radius * radius - (wx * wx + wy * wy + wz * wz)
        if inside <= 0.0:
            return MISS
        reach = math.sqrt(inside / a)
        entry, leave, cosine = middle - reach, middle + reach, reach * a / radius
    elif ox * ox + oy * oy + oz * oz >= radius * radius:
        return MISS
    entry, leave, cosine = clip(height - half, rise, entry, leave, cosine)
    entry, leave, cosine = clip(-height - half, -rise, entry, leave, cosine)
    return (entry, leave, cosine) if entry < leave else MISS
