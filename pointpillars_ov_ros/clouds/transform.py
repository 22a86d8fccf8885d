# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms between frames: constructed, composed, inverted, and applied to points in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

Quaternion = tuple[float, float, float, float]
"""x y z w, of length 1."""


class Transform(NamedTuple):
    """T_target_source: transforms the coordinates of a point from frame `source` to frame `target`.

    It is also the pose of `source` in `target`.
    """

    rotation: DoubleArray
    """(3, 3)."""
    translation: DoubleArray
    """(3,), m."""

    @classmethod
    def identity(cls) -> Transform:
        """Return the identity transform."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_pose(cls, x: float, y: float, z: float, roll: float, pitch: float, yaw: float) -> Transform:
        """Return the transform of a pose (m, rad): about the fixed axes, first roll, then pitch, then yaw (REP-103)."""
        (cr, sr), (cp, sp), (cy, sy) = ((math.cos(angle), math.sin(angle)) for angle in (roll, pitch, yaw))
        rotation = [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
        return cls(np.array(rotation), np.array([x, y, z]))

    @classmethod
    def from_quaternion(cls, translation: Sequence[float], quaternion: Quaternion) -> Transform:
        """Return the transform of a translation x y z (m) and a quaternion of length 1."""
        x, y, z, w = quaternion
        rotation = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        return cls(np.array(rotation), np.array(translation, np.float64))

    def after(self, first: Transform) -> Transform:
        """Compose T_a_b (this one) and T_b_c (`first`) to T_a_c."""
        return Transform(self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)

    @property
    def inverse(self) -> Transform:
        """T_source_target."""
        turned = self.rotation.T.copy()
        return Transform(turned, -(turned @ self.translation))

    @property
    def is_identity(self) -> bool:
        """Whether this is exactly the identity."""
        return bool((self.rotation == np.eye(3)).all() and not self.translation.any())

    @property
    def quaternion(self) -> Quaternion:
        """The rotation as a quaternion; w is not negative."""
        r = self.rotation
        # Divide by the largest of the four components, never by one near 0 (Shepperd's method).
        squares = np.array([r[0, 0], r[1, 1], r[2, 2], np.trace(r)])
        largest = int(squares.argmax())
        if largest == 3:
            q = [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 1.0 + squares[3]]
        else:
            i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
            q = [0.0, 0.0, 0.0, r[k, j] - r[j, k]]
            q[i] = 1.0 + r[i, i] - r[j, j] - r[k, k]
            q[j], q[k] = r[j, i] + r[i, j], r[k, i] + r[i, k]
        length = math.copysign(math.sqrt(sum(value * value for value in q)), q[3])
        x, y, z, w = (float(value / length) for value in q)
        return x, y, z, w

    def move(self, points: FloatArray) -> None:
        """Transform `points` (N, >= 3) float32 from `source` to `target` in place, leaving further columns alone."""
        move_points(points, self.rotation, self.translation)


@njit(nogil=True, cache=True)
def move_points(points: FloatArray, rotation: DoubleArray, translation: DoubleArray) -> None:
    """Implement `Transform.move`; in double precision, since a frame may be far away."""
    for i in range(points.shape[0]):
        x, y, z = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        for axis in range(3):
            turned = rotation[axis, 0] * x + rotation[axis, 1] * y + rotation[axis, 2] * z
            points[i, axis] = np.float32(turned + translation[axis])


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the quaternion of rotation `b` followed by rotation `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def slerp(a: Quaternion, b: Quaternion, share: float) -> Quaternion:
    """Interpolate from `a` (`share` 0) to `b` (1) at constant angular speed, along the shorter arc."""
    cos = sum(i * j for i, j in zip(a, b, strict=True))
    sign = -1.0 if cos < 0.0 else 1.0
    angle = math.acos(min(1.0, abs(cos)))
    if angle < 1e-6:
        weight_a, weight_b = 1.0 - share, sign * share
    else:
        weight_a = math.sin((1.0 - share) * angle) / math.sin(angle)
        weight_b = sign * math.sin(share * angle) / math.sin(angle)
    q = [weight_a * i + weight_b * j for i, j in zip(a, b, strict=True)]
    length = math.sqrt(sum(value * value for value in q))
    return q[0] / length, q[1] / length, q[2] / length, q[3] / length
