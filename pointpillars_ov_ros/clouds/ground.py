# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Height of the ground, estimated from the first clouds.

A network finds less if the sensor is mounted at another height than in training. No answer is better than a wrong one:
a plane must hold much of what is low in front of the sensor, have next to nothing below it and hardly any tilt, and
several clouds must agree.

Products are einsum sums: the threads of a BLAS, which the node has no other use for, would compete with OpenVINO's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

_AHEAD, _ASIDE, _BLIND = 25.0, 10.0, 2.0
"""Region searched: this far ahead and to either side, and no closer than the sensor's own vehicle (m)."""
_POINTS = 40_000
"""About this many points are used, sampled evenly from the cloud."""
_CELL = 1.0
_FEWEST_CELLS = 25
_LOW_SHARE = 0.1
"""Ratio of points in a cell below its representative: echoes off a puddle appear to come from underground."""
_TRIALS = 100
_THICKNESS = 0.12
"""Thickness of the ground on either side of the plane (m)."""
_LEAST_ON, _MOST_BELOW = 0.4, 0.05
"""Least ratio of cells on the plane, greatest ratio below it."""
_MOST_TILT = math.radians(5.0)
_MOST_DOUBT = 0.03
"""Maximum standard deviation of the plane's height under the sensor (m), if cells deviate by `_THICKNESS`."""
_AGREEING, _APART = 5, 0.12
_GIVE_UP_AFTER = 100


class GroundWatch:
    """Estimator that looks at clouds until enough agree on the ground height, or gives up after many."""

    def __init__(self) -> None:
        """Start before the first cloud."""
        self._left = _GIVE_UP_AFTER
        self._found: list[float] = []

    @property
    def is_over(self) -> bool:
        """Whether no more clouds are needed."""
        return self._left == 0

    def look(self, points: FloatArray) -> float | None:
        """Look at a cloud, see `find_ground`; return the height as soon as enough agree, and only once."""
        self._left -= 1
        height = find_ground(points)
        if height is None:
            return None
        self._found = [*self._found, height][-_AGREEING:]
        if len(self._found) < _AGREEING or max(self._found) - min(self._found) > _APART:
            return None
        self._left = 0
        return float(np.median(self._found))


class GroundPlane(NamedTuple):
    """Ground plane, z = rise_x x + rise_y y + z, in the frame of the points it was found in."""

    rise_x: float
    """Slope of the ground along x (m per m)."""
    rise_y: float
    z: float
    """Height of the ground under the origin (m)."""

    @property
    def tilt(self) -> float:
        """Angle between the plane and the xy plane (rad)."""
        return math.atan(math.hypot(self.rise_x, self.rise_y))


def find_ground(points: FloatArray) -> float | None:
    """Return z of the ground below the origin (m) in the frame of `points` (N, 4), z up; None if it is unclear."""
    plane = fit_ground(points)
    return None if plane is None else plane.z


def fit_ground(
    points: FloatArray,
    max_tilt: float = _MOST_TILT,
    behind: float = 0.0,
    ahead: float = _AHEAD,
    aside: float = _ASIDE,
) -> GroundPlane | None:
    """Return the ground in `points` (N, 4), z up; None if it is unclear or tilted by more than `max_tilt` (rad).

    The ground is searched up to `ahead` and `behind` the sensor, and `aside` to either side (m).
    """
    low = low_points(points, behind, ahead, aside)
    if len(low) < _FEWEST_CELLS:
        return None
    on = _best_plane(low, 2 * max_tilt)
    for _ in range(3):
        if on.sum() < max(3, _LEAST_ON * len(low)):
            return None
        # z = a x + b y + c
        terms = np.column_stack([low[:, :2], np.ones(len(low))])
        covariance = np.linalg.pinv(np.einsum("ci,cj->ij", terms[on], terms[on]))
        plane = np.einsum("ij,cj,c->i", covariance, terms[on], low[on, 2])
        off = low[:, 2] - np.einsum("ci,i->c", terms, plane)
        on = np.abs(off) < _THICKNESS
    found = GroundPlane(*map(float, plane))
    doubt = _THICKNESS * math.sqrt(covariance[2, 2])
    if found.tilt > max_tilt or doubt > _MOST_DOUBT or np.mean(off < -2 * _THICKNESS) > _MOST_BELOW:
        return None
    return found


def low_points(points: FloatArray, behind: float, ahead: float, aside: float) -> DoubleArray:
    """Return a low point of each cell that has some, (cells, 3), of those around the sensor; see `fit_ground`."""
    points = points[:: max(1, len(points) // _POINTS)]
    x, y = points[:, 0], points[:, 1]
    near = (x > -behind) & (x < ahead) & (np.abs(y) < aside)
    near[near] = x[near] ** 2 + y[near] ** 2 > _BLIND * _BLIND
    xyz = points[near, :3].astype(np.float64)
    cell = np.floor(xyz[:, 0] / _CELL) * 1000.0 + np.floor(xyz[:, 1] / _CELL)
    order = np.lexsort((xyz[:, 2], cell))
    _, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    enough = count >= 3
    return xyz[order[first[enough] + (_LOW_SHARE * count[enough]).astype(np.int64)]]


def _best_plane(low: DoubleArray, max_tilt: float) -> npt.NDArray[np.bool_]:
    """Return which of `low` lie on the plane through three of them that holds the most (RANSAC, fixed seed)."""
    rng = np.random.default_rng(0)
    a, b, c = (low[rng.integers(len(low), size=_TRIALS)] for _ in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    upright = np.abs(normals[:, 2]) > math.cos(max_tilt) * np.maximum(lengths, 1e-9)
    if not upright.any():
        return np.zeros(len(low), bool)
    normals, a = normals[upright] / normals[upright, 2:], a[upright]
    above = np.einsum("ci,ti->ct", low, normals) - np.sum(a * normals, axis=1)
    # Points below a plane count against it: a table or the roofs of parked cars are not the ground.
    score = np.sum(np.abs(above) < _THICKNESS, axis=0) - np.sum(above < -2 * _THICKNESS, axis=0)
    on: npt.NDArray[np.bool_] = np.abs(above[:, int(score.argmax())]) < _THICKNESS
    return on
