# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rays of one revolution of a sensor: time, origin and direction of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.synthetic.lidar.sensor import Sensor


class Sweep(NamedTuple):
    """Rays by beam and column; ray number = beam * columns + column. Lidar frame as it is at the stamp."""

    directions: DoubleArray
    """(beams, columns, 3), unit vectors."""
    tangents: DoubleArray
    """(beams,), tangent of the elevation."""
    heights: DoubleArray
    """(beams,), height of the optical centre above the origin (m)."""
    times: DoubleArray
    """(columns,), time of firing after the stamp (s); all 0 without rolling shutter."""
    shifts: DoubleArray
    """(columns, 2), position of the sensor at that time, x y (m)."""
    turns: DoubleArray
    """(columns,), rotation of the sensor by that time (rad)."""
    phase: float
    """Azimuth of column 0 (rad); that of column c is phase + c * step."""
    step: float
    """Azimuth from one column to the next (rad)."""
    slack: float
    """Upper limit (m) of how far the motion during the sweep displaces anything in the sensor's view."""


def make_sweep(
    sensor: Sensor, phase: float, velocity: tuple[float, float] = (0.0, 0.0), yaw_rate: float = 0.0, speed: float = 0.0
) -> Sweep:
    """Compute the rays of one revolution, column 0 at azimuth `phase` (rad) and beams staggered within the step.

    With rolling shutter the sensor moves meanwhile with `velocity` (m/s, lidar frame) and `yaw_rate` (rad/s); no object
    is faster than `speed` (m/s). It spins clockwise. Azimuth 0 is fired at the stamp, directions behind the sensor half
    a revolution earlier or later.
    """
    step = 2.0 * math.pi / sensor.columns
    azimuths = phase + step * np.arange(sensor.columns, dtype=np.float64)
    times: DoubleArray = np.zeros(sensor.columns)
    if sensor.rolling_shutter:
        times = -((azimuths + math.pi) % (2.0 * math.pi) - math.pi) / (2.0 * math.pi * sensor.spin_rate_hz)
    turns = yaw_rate * times
    headings = azimuths + turns
    directions = np.empty((sensor.beams, sensor.columns, 3))
    fill_directions(np.cos(headings), np.sin(headings), sensor.elevations, sensor.stagger, directions)
    return Sweep(
        directions,
        np.tan(sensor.elevations),
        sensor.heights,
        times,
        times[:, None] * np.array(velocity),
        turns,
        phase,
        step,
        slack_of(times, math.hypot(*velocity) + speed, turns, sensor.max_range),
    )


def slack_of(times: DoubleArray, speed: float, turns: DoubleArray, max_range: float) -> float:
    """Return an upper limit (m) of how far the motion during the sweep displaces objects in the sensor's view."""
    return float(np.abs(times).max() * speed + np.abs(turns).max() * max_range)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_directions(
    cosines: DoubleArray, sines: DoubleArray, elevations: DoubleArray, stagger: DoubleArray, directions: DoubleArray
) -> None:
    """Write unit vectors from cosine and sine of each column's azimuth and the angles of each beam (rad)."""
    for beam in range(elevations.shape[0]):
        level, up = math.cos(elevations[beam]), math.sin(elevations[beam])
        cos, sin = math.cos(stagger[beam]), math.sin(stagger[beam])
        for column in range(cosines.shape[0]):
            directions[beam, column, 0] = level * (cosines[column] * cos - sines[column] * sin)
            directions[beam, column, 1] = level * (sines[column] * cos + cosines[column] * sin)
            directions[beam, column, 2] = up
