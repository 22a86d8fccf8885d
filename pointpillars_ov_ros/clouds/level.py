# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levelling: clouds are rotated and raised so that their ground lies where the network expects it, and boxes back.

Frames: `model` is that of the incoming cloud, `level` the one in which z = -sensor height is the ground.
"""

from __future__ import annotations

import logging
import math
import threading
import time

import numpy as np

from pointpillars_ov_ros.clouds.ground import GroundPlane, fit_ground
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.verdict import NOT_LEVELLED

log = logging.getLogger(__name__)

MAX_TILT_DEG = 5.0
MAX_SHIFT_M = 0.5
"""Maximum error of the height; larger ones mean a wrong `sensor_pose`, or no ground."""
_SEARCHED_TILT = math.radians(9.0)
"""Planes are looked for up to this tilt, so that one beyond the bound can be said (rad)."""
_AHEAD_M, _ASIDE_M = 45.0, 15.0
"""As far as most boxes are. Under the cars of 16 KITTI frames beyond 30 m the plane is 0.11 m off, one of 25 m 0.17 m,
none 0.29 m."""
_SHARE = 0.2
"""Weight of a new cloud's ground in the filter: at 10 Hz a change is followed within a second."""
_MAX_BAD = 20
"""Number of consecutive clouds with a ground out of bounds after which the earlier ground is discarded."""
_MAX_JUMP_S = 5.0
"""Maximum time between two stamps; after a longer gap, or a step back, the ground is that of another place."""
_SAY_EVERY_S = 5.0
_SAID_TILT, _SAID_HEIGHT_M = math.radians(0.5), 0.05
"""Minimum changes that are logged (rad; m)."""


class Leveller:
    """Filtered ground of the clouds so far, and the transform that moves it to where the network expects it.

    It is thread-safe. The ground is searched ahead of the sensor, as far as most boxes are.
    """

    def __init__(self, sensor_height: float) -> None:
        """Start before the first cloud; `sensor_height` (m) is the height of the origin that the network expects."""
        self._expected_z = -sensor_height
        self._lock = threading.Lock()
        self._said_s = -math.inf
        self._stamp_ns: int | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the ground; the next good one is used without filtering."""
        with self._lock:
            self._forget()

    def note_stamp(self, stamp_ns: int) -> None:
        """Record the time of the next cloud (ns); if time jumped, forget the ground."""
        with self._lock:
            last, self._stamp_ns = self._stamp_ns, stamp_ns
            if last is not None and not 0 <= stamp_ns - last <= _MAX_JUMP_S * 1e9:
                self._forget()
                self._stamp_ns = stamp_ns

    @property
    def status(self) -> str:
        """Current state, as a clause."""
        with self._lock:
            return self._describe()

    def level(self, points: FloatArray) -> tuple[FloatArray, Transform | None]:
        """Return levelled `points` (N, 4) and T_level_model; None: they are unchanged.

        The input is not modified.
        """
        transform = self.look(points)
        if transform is None:
            return points, None
        moved = points.copy()
        transform.move(moved)
        return moved, transform

    def look(self, points: FloatArray) -> Transform | None:
        """Look for the ground of `points` (N, 4), and return T_level_model as of now."""
        found = fit_ground(points, _SEARCHED_TILT, ahead=_AHEAD_M, aside=_ASIDE_M)
        with self._lock:
            self._take(found)
            return None if self._plane is None else level_transform(self._plane, self._expected_z)

    def _forget(self) -> None:
        self._plane: GroundPlane | None = None
        self._said: GroundPlane | None = None
        self._bad, self._trouble = 0, "no ground was found yet"
        self._stamp_ns = None

    def _take(self, found: GroundPlane | None) -> None:
        """Filter a cloud's ground into the current one."""
        if found is None:
            return
        trouble = self._out_of_bounds(found)
        if trouble:
            self._bad, self._trouble = self._bad + 1, trouble
            if self._bad >= _MAX_BAD:
                self._plane = None
            self._say(logging.WARNING, f"a cloud's ground is not used for levelling: {trouble}")
            return
        self._bad = 0
        plane = self._plane
        if plane is None:
            self._plane = found
        else:
            self._plane = GroundPlane(*(old + _SHARE * (new - old) for old, new in zip(plane, found, strict=True)))
        is_news = self._said is None or _differ(self._plane, self._said)
        if is_news and self._say(logging.INFO, self._describe()):
            self._said = self._plane

    def _out_of_bounds(self, found: GroundPlane) -> str:
        shift = found.z - self._expected_z
        if found.tilt > math.radians(MAX_TILT_DEG):
            return (
                f"its ground is tilted by {math.degrees(found.tilt):.1f} degrees, more than {MAX_TILT_DEG:g}; "
                "set sensor_pose to correct the tilt of the mount"
            )
        if abs(shift) > MAX_SHIFT_M:
            return (
                f"its ground lies {-found.z:.2f} m below the network's frame, which expects it "
                f"{-self._expected_z:.2f} m below, more than {MAX_SHIFT_M:g} m off; set sensor_pose to correct it"
            )
        return ""

    def _describe(self) -> str:
        if self._plane is None:
            return NOT_LEVELLED + self._trouble
        pitch, roll = (math.degrees(math.atan(rise)) for rise in self._plane[:2])
        rise = self._plane.z - self._expected_z
        return f"levelled by {pitch:+.1f} deg along x, {roll:+.1f} deg along y, {rise:+.2f} m"

    def _say(self, kind: int, text: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._said_s < _SAY_EVERY_S:
            return False
        self._said_s = now_s
        log.log(kind, "%s", text)
        return True


def _differ(plane: GroundPlane, other: GroundPlane) -> bool:
    tilts = (abs(plane.rise_x - other.rise_x), abs(plane.rise_y - other.rise_y))
    return max(tilts) > _SAID_TILT or abs(plane.z - other.z) > _SAID_HEIGHT_M


def level_transform(plane: GroundPlane, expected_z: float) -> Transform:
    """Return T_level_model: the smallest rotation that levels `plane`, and the shift that moves it to z (m)."""
    length = math.sqrt(1.0 + plane.rise_x**2 + plane.rise_y**2)
    x, y, z = -plane.rise_x / length, -plane.rise_y / length, 1.0 / length
    # Rodrigues' formula, from the plane's normal (x, y, z) to (0, 0, 1).
    share = 1.0 / (1.0 + z)
    rotation = np.array(
        [[1.0 - share * x * x, -share * x * y, -x], [-share * x * y, 1.0 - share * y * y, -y], [x, y, z]]
    )
    return Transform(rotation, np.array([0.0, 0.0, expected_z - plane.z * z]))


def unlevel_boxes(boxes: FloatArray, T_level_model: Transform) -> FloatArray:
    """Return boxes (M, 7) float32 of the frame `level` in the frame `model`, upright in it.

    The centre is transformed back; the heading is the one with the same direction on the ground as seen from above, so
    `level_boxes` is the exact inverse.
    """
    T_model_level = T_level_model.inverse
    return _move_boxes(boxes, T_model_level, T_model_level.rotation[:2, :2])


def level_boxes(boxes: FloatArray, T_level_model: Transform) -> FloatArray:
    """Return boxes (M, 7) float32 of the frame `model` in the frame `level`; the inverse of `unlevel_boxes`."""
    return _move_boxes(boxes, T_level_model, np.linalg.inv(T_level_model.rotation.T[:2, :2]))


def _move_boxes(boxes: FloatArray, transform: Transform, T_headings: np.ndarray) -> FloatArray:
    """Transform centres by `transform`, and directions as seen from above by `T_headings` (2, 2)."""
    moved = boxes.copy()
    if not len(boxes):
        return moved
    moved[:, :3] = np.einsum("ij,nj->ni", transform.rotation, boxes[:, :3].astype(np.float64)) + transform.translation
    yaw = boxes[:, 6].astype(np.float64)
    ahead = np.einsum("ij,nj->ni", T_headings, np.column_stack([np.cos(yaw), np.sin(yaw)]))
    moved[:, 6] = np.arctan2(ahead[:, 1], ahead[:, 0])
    return moved
