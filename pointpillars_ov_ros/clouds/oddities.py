# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is odd about a cloud for a network: units, frame, byte order, columns, a sensor that looks another way.

Rather nothing than something wrong: every share that is compared leaves much room for sensors that see little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.clouds.ground import find_ground
from pointpillars_ov_ros.clouds.intensity import BRIGHT
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray

_MIN_POINTS = 100
"""With fewer no share says anything."""
_POINTS = 20_000
"""About so many are looked at, evenly taken from the cloud."""
_TINY_M, _HUGE_M, _MAX_ABSURD_RATIO = 1e-6, 1e8, 0.1
"""Coordinates below and above these, other than 0, are none; ratio to all of them."""
_FAR_M, _DISTANT_M, _MAX_FAR_RATIO = 1000.0, 300.0, 0.2
"""No point of a vehicle's lidar is farther than the first, next to none than the second."""
_MIN_IN_RANGE, _MIN_MENDED = 0.05, 0.1
"""Ratio of points in the network's range that is odd below the first, and that a cure must reach."""
_MAX_NEGATIVE_RATIO = 0.01
_HEIGHT_TOLERANCE_M = 1.0
"""Of a ground that is found only in a turned cloud, about the sensor's height that the network knows."""


class Oddity(NamedTuple):
    """Something that costs detections."""

    about: str
    """One word, the same for the same oddity of another cloud."""
    sentence: str
    """What is seen, what it means, and what to set."""


class Cures(NamedTuple):
    """What mends an oddity, in the words of whoever reads the cloud."""

    byte_order: str
    units: str
    frame: str
    pose: str
    """With {pose} in the place of the six numbers as a list, or {numbers} as words."""
    intensity: str


NODE_CURES = Cures(
    byte_order="is_bigendian, or the datatype or offset of a field, is not what the data are",
    units="clouds must be in metres (REP-103)",
    frame="set target_frame to a frame that moves with the vehicle, such as base_link",
    pose="set sensor_pose to {pose}",
    intensity="intensity_field names the field to use, intensity_scale the factor to 0..1",
)
"""Of ROS messages: parameters of the detector."""
FILE_CURES = Cures(
    byte_order="say what the values of a point are by --columns, e.g. --columns x,y,z,intensity,ring",
    units="say --coordinate-scale {scale}",
    frame="clouds must be in the sensor's frame",
    pose="turn them to x forward, y left, z up (as a pose: {pose})",
    intensity="say --columns, or the factor to 0..1 by --intensity-scale",
)
"""Of files: flags of the tools."""
BAG_CURES = NODE_CURES._replace(
    frame="clouds must be in the sensor's frame",
    pose="say --sensor-pose {numbers}",
    intensity="--intensity-field names the field to use, --intensity-scale the factor to 0..1",
)
"""Of bags: flags of the tools."""


class OddityWatch:
    """Looks at the first clouds; each oddity is found once. Used from one thread."""

    def __init__(self, config: ModelConfig, cures: Cures, clouds: int = 10) -> None:
        """Begin before the first of so many `clouds` that are looked at."""
        self._config, self._cures, self._left = config, cures, clouds
        self.found: dict[str, str] = {}
        """The sentences, by what they are about."""

    @property
    def is_over(self) -> bool:
        """Whether no more cloud needs to be looked at."""
        return self._left <= 0

    def look(self, points: FloatArray) -> list[Oddity]:
        """Look at a cloud as `find_oddities` does, unless it is over; return what no cloud before has shown."""
        if self.is_over or not len(points):
            return []
        self._left -= 1
        new = [one for one in find_oddities(points, self._config, self._cures) if one.about not in self.found]
        self.found.update({one.about: one.sentence for one in new})
        return new


def find_oddities(points: FloatArray, config: ModelConfig, cures: Cures) -> list[Oddity]:
    """Return what is odd about `points` (N, 4), in the network's frame, intensity scaled to 0..1."""
    points = points[:: max(1, len(points) // _POINTS)]
    if len(points) < _MIN_POINTS:
        return []
    absurd = _absurd(points, cures)
    if absurd is not None:
        return [absurd]
    place = _far(points, config, cures) or _turned(points, config, cures) or _out_of_range(points, config, cures)
    oddities = [place, _intensity(points, cures)]
    return [oddity for oddity in oddities if oddity is not None]


def share_in_range(points: FloatArray, config: ModelConfig) -> float:
    """Return the share of `points` (N, >= 3) that is in the network's range, 0..1."""
    inside = np.ones(len(points), np.bool_)
    for axis, (low, high) in enumerate(_ranges(config)):
        inside &= (points[:, axis] >= low) & (points[:, axis] < high)
    return float(inside.mean()) if len(points) else 0.0


def _ranges(config: ModelConfig) -> tuple[tuple[float, float], ...]:
    return config.grid.x_range, config.grid.y_range, config.grid.z_range


def _absurd(points: FloatArray, cures: Cures) -> Oddity | None:
    sizes = np.abs(points[:, :3])
    ratio = float(np.mean((sizes > 0.0) & (sizes < _TINY_M) | (sizes > _HUGE_M)))
    if ratio <= _MAX_ABSURD_RATIO:
        return None
    text = f"{ratio:.0%} of the coordinates are below {_TINY_M:g} or above {_HUGE_M:g} m, so they are none"
    return Oddity("byte order", f"{text}: {cures.byte_order}")


def _far(points: FloatArray, config: ModelConfig, cures: Cures) -> Oddity | None:
    flat = points[:, :2].astype(np.float64)
    distances = np.hypot(flat[:, 0], flat[:, 1])
    if np.mean(distances > _DISTANT_M) <= _MAX_FAR_RATIO:
        return None
    center = np.median(flat, axis=0)
    spread = float(np.percentile(np.hypot(*(flat - center).T), 90))
    away = float(np.hypot(*center))
    if away > _FAR_M and spread < 0.5 * away:
        text = (
            f"the points lie about {away / 1000.0:,.0f} km from the origin, as in UTM or a map's frame, and the network"
        )
        return Oddity("frame", f"{text} detects around the sensor: {cures.frame}")
    scaled = {scale: points * np.array([scale, scale, scale, 1.0], np.float32) for scale in (0.01, 0.001)}
    # Both may fit: of sensors near the ground, the one that puts it where it is.
    for scale, name in ((0.01, "centimetres"), (0.001, "millimetres")):
        is_last = scale == min(scaled)
        if share_in_range(scaled[scale], config) >= _MIN_MENDED and (is_last or _is_on_ground(scaled[scale], config)):
            text = f"the points lie up to {np.percentile(distances, 99):,.0f} m away, as if they were in {name}"
            return Oddity("units", f"{text}: {cures.units.format(scale=scale)}")
    if np.mean(distances > _FAR_M) <= _MAX_FAR_RATIO:
        return None
    return Oddity("units", f"{np.mean(distances > _FAR_M):.0%} of the points are beyond 1 km: {cures.byte_order}")


def _out_of_range(points: FloatArray, config: ModelConfig, cures: Cures) -> Oddity | None:
    share = share_in_range(points, config)
    if share >= _MIN_IN_RANGE:
        return None
    extent = ", ".join(f"{axis} {low:g} to {high:g}" for axis, (low, high) in zip("xyz", _ranges(config), strict=True))
    text = f"{share:.1%} of the points are in the network's range, {extent} m"
    for where, yaw in (("behind", math.pi), ("to the left", -math.pi / 2), ("to the right", math.pi / 2)):
        pose = (0.0, 0.0, 0.0, 0.0, 0.0, yaw)
        if share_in_range(_moved(points, pose), config) >= max(_MIN_MENDED, 4 * share):
            return Oddity("range", f"{text}; most lie {where}: {_cure(cures, pose)}")
    low, high = config.grid.z_range
    beside = points[(points[:, 2] < low) | (points[:, 2] >= high)]
    lifted = (0.0, 0.0, -config.sensor.height - float(np.percentile(points[:, 2], 5)), 0.0, 0.0, 0.0)
    if len(beside) > len(points) / 2 and share_in_range(_moved(points, lifted), config) >= _MIN_MENDED:
        text = f"{text}; z is about {np.median(points[:, 2]):.1f} m"
        return Oddity("range", f"{text}: {_cure(cures, lifted)}")
    return Oddity("range", f"{text}, so next to nothing can be detected: {cures.frame}")


def _turned(points: FloatArray, config: ModelConfig, cures: Cures) -> Oddity | None:
    """Look for the ground where it is not below: overhead, or along another axis."""
    ground_z = find_ground(points)
    if ground_z is not None and ground_z < 0.0:
        return None
    quarter = math.pi / 2
    for what, angles in (
        ("upside down", (math.pi, 0.0, 0.0)),
        ("x right, y down, z forward, as a camera's frame is", (-quarter, 0.0, -quarter)),
        ("x right, y up, z backward, as in computer graphics", (quarter, 0.0, -quarter)),
    ):
        pose = (0.0, 0.0, 0.0, *angles)
        if _is_on_ground(_moved(points, pose), config):
            text = f"the ground is found only as if the clouds were {what}"
            return Oddity("axes", f"{text}: {_cure(cures, pose)}")
    return None


def _intensity(points: FloatArray, cures: Cures) -> Oddity | None:
    values = points[:, 3]
    negative, bright = float(np.mean(values < 0.0)), float(np.mean(values > BRIGHT))
    if negative > _MAX_NEGATIVE_RATIO:
        return Oddity(
            "intensity", f"{negative:.0%} of the intensities are negative, so they are none: {cures.intensity}"
        )
    if bright > _MAX_NEGATIVE_RATIO:
        text = f"{bright:.0%} of the intensities are above {BRIGHT:g}, up to {values.max():.4g}"
        return Oddity("bright", f"{text}, and the network expects 0 to 1: {cures.intensity}")
    return None


def _is_on_ground(points: FloatArray, config: ModelConfig) -> bool:
    """Whether the ground is found about as far below the sensor as the network knows it."""
    ground_z = find_ground(points)
    return ground_z is not None and abs(ground_z + config.sensor.height) < _HEIGHT_TOLERANCE_M


def _moved(points: FloatArray, pose: tuple[float, ...]) -> FloatArray:
    copy = points.copy()
    Transform.from_pose(*pose).move(copy)
    return copy


def _cure(cures: Cures, pose: tuple[float, ...]) -> str:
    rounded = [round(value, 4) for value in pose]
    return cures.pose.format(pose=rounded, numbers=" ".join(f"{value:g}" for value in rounded))
