# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection of the rays of a sweep with the ground.

All beams of a column follow nearly the same line over the ground. Its heights are sampled once; the beams then advance
along it, lowest first, each from where the one below ended.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, IndexArray
from pointpillars_ov_ros.synthetic.lidar.raycast import GROUND, Hits
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep
from pointpillars_ov_ros.synthetic.world.ground import Grid, Ground, View, height_at, inlined, to_world_xy

BeamLine = tuple[float, float, float, float, float, float]
"""Origin of a beam, x y and height (m); its horizontal unit vector, x y; its rise per metre."""
_SAMPLES = 64
"""Number of samples along the line; their distances grow geometrically, by 7 % for a range of 80 m."""
_FIRST = 1.0
"""Distance of the first sample (m)."""
_TURNS = 6
"""Iterations of the search between two samples, enough for a kerb to stay a step."""
_CLOSE = 0.002
"""Gap between beam and ground at which the search ends early (m)."""


def cast_ground(ground: Ground, view: View, sweep: Sweep, max_range: float, hits: Hits) -> None:
    """Update `hits` with the rays that meet the ground before anything else and within `max_range` (m)."""
    distances = np.geomspace(_FIRST, max_range, _SAMPLES)
    # By height of the optical centre, upwards: then no beam meets the ground before the previous one.
    order = np.lexsort((sweep.tangents, sweep.heights)).astype(np.int64)
    walk_columns(ground, view, sweep, max_range, order, distances, np.empty(_SAMPLES), hits)


@njit(nogil=True, cache=True, error_model="numpy")
def walk_columns(
    ground: Ground,
    view: View,
    sweep: Sweep,
    max_range: float,
    order: IndexArray,
    distances: DoubleArray,
    line: DoubleArray,
    hits: Hits,
) -> None:
    """Update `hits`; `line` (samples,) is scratch for the heights at `distances` (samples,) along a column."""
    by_x, by_offset, bumps, grid = ground.by_x, ground.by_offset, ground.bumps, ground.grid
    directions, shifts, heights, tangents = sweep.directions, sweep.shifts, sweep.heights, sweep.tangents
    depths, met, cosines = hits.depth, hits.primitive, hits.cosine
    columns, samples = shifts.shape[0], distances.shape[0]
    for column in range(columns):
        x, y = shifts[column, 0], shifts[column, 1]
        azimuth = sweep.phase + column * sweep.step + sweep.turns[column]
        cos, sin = math.cos(azimuth), math.sin(azimuth)
        sampled, sample, height = 0, 0, math.inf
        for place in range(order.shape[0]):
            beam = order[place]
            tangent = tangents[beam]
            if heights[beam] != height:
                sample, height = 0, heights[beam]
            ray = beam * columns + column
            level = 1.0 / math.sqrt(1.0 + tangent * tangent)
            reach = min(depths[ray], max_range) * level
            above, below = height, math.inf
            while sample < samples and (sample == 0 or distances[sample - 1] < reach):
                if sample == sampled:
                    out = distances[sample]
                    line[sample] = height_in_view(by_x, by_offset, bumps, grid, view, x + out * cos, y + out * sin)
                    sampled += 1
                below = height + distances[sample] * tangent - line[sample]
                if below <= 0.0:
                    break
                sample += 1
            if below > 0.0:
                continue
            near = 0.0
            if sample > 0:
                near, above = distances[sample - 1], height + distances[sample - 1] * tangent - line[sample - 1]
            dx, dy = directions[beam, column, 0] / level, directions[beam, column, 1] / level
            beam_line = (x, y, height, dx, dy, tangent)
            span = (near, distances[sample], max(above, 0.0), below)
            distance, rise = meet_ground(by_x, by_offset, bumps, grid, view, beam_line, span)
            if distance < reach:
                depths[ray] = distance / level
                met[ray] = GROUND
                cosines[ray] = max(rise - tangent, 0.0) * level / math.sqrt(1.0 + rise * rise)


@inlined
def height_in_view(
    by_x: DoubleArray, by_offset: DoubleArray, bumps: DoubleArray, grid: Grid, view: View, x: float, y: float
) -> float:
    """Return the height (m) of the ground at (x, y) (m), lidar frame."""
    world_x, world_y = to_world_xy(view, x, y)
    return height_at(by_x, by_offset, bumps, grid, world_x, world_y) - view.z - view.pitch * x - view.roll * y


@inlined
def meet_ground(
    by_x: DoubleArray,
    by_offset: DoubleArray,
    bumps: DoubleArray,
    grid: Grid,
    view: View,
    beam_line: BeamLine,
    span: tuple[float, float, float, float],
) -> tuple[float, float]:
    """Return the horizontal distance (m) at which a beam meets the ground, and the ground's rise along it there.

    The rise is in m per m. `span` holds a distance at which the beam is above the ground and one at which it is not,
    and its height above the ground (m) at each.
    """
    x, y, height, dx, dy, tangent = beam_line
    near, far, above, below = span
    for turn in range(_TURNS):
        # First where a straight ground would be met, then, at a kerb, halfway.
        share = above / (above - below) if turn % 2 == 0 else 0.5
        out = near + share * (far - near)
        gap = height + out * tangent
        gap -= height_in_view(by_x, by_offset, bumps, grid, view, x + out * dx, y + out * dy)
        if gap > 0.0:
            near, above = out, gap
        else:
            far, below = out, gap
        if abs(gap) < _CLOSE:
            break
    # The gap closes by (rise - tangent) per metre.
    slope = (above - below) / max(far - near, 1e-6)
    return near + (far - near) * above / max(above - below, 1e-9), tangent + slope
