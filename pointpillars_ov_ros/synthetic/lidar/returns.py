# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of hits to what a sensor reports: edges, losses, range noise and intensity."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray
from pointpillars_ov_ros.synthetic.lidar.raycast import GROUND, Hits
from pointpillars_ov_ros.synthetic.lidar.sensor import Sensor
from pointpillars_ov_ros.synthetic.lidar.sweep import Sweep
from pointpillars_ov_ros.synthetic.primitives import PrimitiveArray, Surface
from pointpillars_ov_ros.synthetic.randomness import ray_normal, ray_unit
from pointpillars_ov_ros.synthetic.world.ground import Ground, View, reflectivity_at, to_world_xy

_GLOSSY = int(Surface.GLOSSY)
BACKGROUND = -1
"""Object index of a point that belongs to none."""
# Streams of a ray's random numbers; those of primitives count up from 0.
_LOST, _EDGE, _BETWEEN, _NOISE, _BRIGHT, _BEAM, _ZERO = (-k for k in range(1, 8))


class Receiver(NamedTuple):
    """Parameters of a sensor for the kernel below."""

    min_range: float
    max_range: float
    range_noise: float
    detection: float
    """The expected loss is 2^-(detection * reflectivity * cosine / range^2)."""
    loss: float
    exponent: float
    fading: float
    """1 / fading_range."""
    noise: float
    step: float
    dark_from: float
    dark_per_metre: float
    floor: float
    zeros: float
    edge_share: float
    max_gap: float
    gains: DoubleArray
    """(beams,)."""
    lowest: DoubleArray
    """(columns,), tangent of the elevation below which a ray ends at the vehicle."""


def make_receiver(sensor: Sensor, seed_key: int) -> Receiver:
    """Prepare the parameters of `sensor`; `seed_key` distinguishes devices of one model (gain of the beams)."""
    spread = [ray_normal(np.uint64(seed_key), beam, _BEAM) for beam in range(sensor.beams)]
    gains = sensor.intensity.gain * np.maximum(1.0 + sensor.intensity.beam_spread * np.array(spread), 0.05)
    return Receiver(
        sensor.min_range,
        sensor.max_range,
        sensor.range_noise,
        sensor.dropout.dark_range**2 / 0.1,
        sensor.dropout.share,
        sensor.intensity.incidence_exponent,
        1.0 / sensor.intensity.fading_range,
        sensor.intensity.noise,
        sensor.intensity.step,
        sensor.intensity.dark_from,
        sensor.intensity.dark_per_metre,
        sensor.intensity.floor,
        sensor.intensity.zeros,
        sensor.edges.share,
        sensor.edges.max_gap,
        gains,
        np.tan(np.maximum(sensor.blind_below, math.radians(-89.9))),
    )


def collect(
    hits: Hits, primitives: PrimitiveArray, ground: Ground, view: View, sweep: Sweep, receiver: Receiver, key: int
) -> tuple[FloatArray, IntArray]:
    """Return the points (N, 4) float32 and the index of each point's labelled object (N,), beam after beam.

    Points are x y z (m, lidar frame at the time of firing) and intensity; the index is BACKGROUND for none.
    """
    rays = len(hits.depth)
    points, objects = np.empty((rays, 4), np.float32), np.empty(rays, np.int32)
    count = collect_points(hits, primitives, ground, view, sweep, receiver, np.uint64(key), points, objects)
    return points[:count].copy(), objects[:count].copy()


@njit(nogil=True, cache=True, error_model="numpy")
def collect_points(
    hits: Hits,
    primitives: PrimitiveArray,
    ground: Ground,
    view: View,
    sweep: Sweep,
    receiver: Receiver,
    key: np.uint64,
    points: FloatArray,
    objects: IntArray,
) -> int:
    """Fill `points` and `objects`, each as long as the number of rays; return the number of points."""
    by_x, by_offset, bumps, marks = ground.by_x, ground.by_offset, ground.bumps, ground.marks
    directions, shifts, turns, heights = sweep.directions, sweep.shifts, sweep.turns, sweep.heights
    depths, met, cosines, gains, lowest = hits.depth, hits.primitive, hits.cosine, receiver.gains, receiver.lowest
    columns, count = directions.shape[1], 0
    for ray in range(depths.shape[0]):
        beam, column = ray // columns, ray % columns
        depth, index = depths[ray], met[ray]
        if depth == math.inf or sweep.tangents[beam] < lowest[column]:
            continue
        dx, dy, dz = directions[beam, column, 0], directions[beam, column, 1], directions[beam, column, 2]
        owner, zeros = BACKGROUND, receiver.zeros
        if index == GROUND:
            x, y = to_world_xy(view, shifts[column, 0] + depth * dx, shifts[column, 1] + depth * dy)
            reflectivity = reflectivity_at(by_x, by_offset, bumps, marks, ground.grid, x, y)
        else:
            reflectivity, owner = primitives[index].reflectivity, primitives[index].object
            zeros = zeros if primitives[index].surface != _GLOSSY or zeros == 0.0 else primitives[index].pitch
        light = receiver.detection * reflectivity * cosines[ray] / (depth * depth)
        if ray_unit(key, ray, _LOST) < 1.0 - (1.0 - receiver.loss) * (1.0 - 2.0**-light):
            continue
        intensity = brightness(receiver.exponent, receiver.fading, reflectivity, cosines[ray], depth) * gains[beam]
        intensity *= 1.0 + receiver.noise * ray_normal(key, ray, _BRIGHT)
        intensity -= receiver.dark_per_metre * max(depth - receiver.dark_from, 0.0)
        if intensity < receiver.floor or ray_unit(key, ray, _ZERO) < zeros:
            intensity = 0.0
        neighbour = ray + 1 if column + 1 < columns else ray + 1 - columns
        depth, mixed = mix_at_edge(depth, depths[neighbour], receiver.max_gap, receiver.edge_share, key, ray)
        if mixed and (met[neighbour] < 0 or primitives[met[neighbour]].object != owner):
            owner = BACKGROUND
        depth += receiver.range_noise * ray_normal(key, ray, _NOISE)
        # Back into the sensor frame as it was oriented when the beam fired.
        cos, sin = math.cos(turns[column]), math.sin(turns[column])
        x, y, z = depth * (cos * dx + sin * dy), depth * (cos * dy - sin * dx), heights[beam] + depth * dz
        distance = math.sqrt(x * x + y * y + z * z)
        if depth <= 0.0 or distance < receiver.min_range or distance > receiver.max_range:
            continue
        points[count, 0], points[count, 1], points[count, 2] = x, y, z
        steps = math.floor(intensity / receiver.step + 0.5)
        points[count, 3] = min(max(steps * receiver.step, 0.0), 1.0)
        objects[count] = owner
        count += 1
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def brightness(exponent: float, fading: float, reflectivity: float, cosine: float, depth: float) -> float:
    """Return the intensity before gain and noise (see `IntensityModel`)."""
    faded = depth * fading
    dimmed: float = cosine**exponent
    return reflectivity * dimmed / (1.0 + faded * faded)


@njit(nogil=True, cache=True, error_model="numpy")
def mix_at_edge(
    depth: float, other: float, max_gap: float, share: float, key: np.uint64, ray: int
) -> tuple[float, bool]:
    """Return the range (m) of a ray, and whether it lies between `depth` and that of the next ray of its beam."""
    gap = abs(other - depth)
    # Two adjacent rays on one slanted surface are not an edge.
    if gap > max_gap or gap < 0.02 * depth or ray_unit(key, ray, _EDGE) >= share:
        return depth, False
    return depth + (other - depth) * ray_unit(key, ray, _BETWEEN), True
