# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks for clouds that do not suit a network: units, frame, byte order, columns, a rotated sensor.

No report is better than a wrong one: every ratio leaves ample room for sensors that see little.
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
"""With fewer points no ratio is reliable."""
_POINTS = 20_000
"""About this many points are used, sampled evenly from the cloud."""
_TINY_M, _HUGE_M, _MAX_ABSURD_RATIO = 1e-6, 1e8, 0.1
"""Coordinates outside these limits, other than 0, are not coordinates; maximum ratio of them."""
_FAR_M, _DISTANT_M, _MAX_FAR_RATIO = 1000.0, 300.0, 0.2
"""Beyond the first distance a vehicle's lidar has no points, beyond the second hardly any; maximum ratio of those."""
_MIN_IN_RANGE, _MIN_MENDED = 0.05, 0.1
"""Ratio of points in the network's range below which a cloud is odd, and the ratio that a cure must reach."""
_MAX_NEGATIVE_RATIO = 0.01
_HEIGHT_TOLERANCE_M = 1.0
"""Tolerance around the sensor height of the model, for a ground that is found only after a rotation."""


class Oddity(NamedTuple):
    """Something about a cloud that costs detections."""

    about: str
    """One word that identifies the oddity across clouds."""
    seen: str
    """What is observed, and what it means."""
    cure: str
    """What to set."""

    @property
    def sentence(self) -> str:
        """What is observed, what it means, and what to set."""
        return f"{self.seen}: {self.cure}"


class Cures(NamedTuple):
    """What to set against each oddity, in the terms of the tool that reads the cloud."""

    byte_order: str
    units: str
    frame: str
    pose: str
    """Contains {pose} in place of the six numbers as a list, or {numbers} as words."""
    intensity: str


NODE_CURES = Cures(
    byte_order="is_bigendian, or the datatype or offset of a field, does not match the data",
    units="set coordinate_scale to {scale}",
    frame="set target_frame to a frame that moves with the vehicle, such as base_link",
    pose="set sensor_pose to {pose}",
    intensity="intensity_field names the field to use, intensity_scale the factor to 0..1",
)
"""Parameters of the detector node."""
FILE_CURES = Cures(
    byte_order="name the values of a point with --columns, e.g. --columns x,y,z,intensity,ring",
    units="set --coordinate-scale {scale}",
    frame="clouds must be in the sensor's frame",
    pose="rotate them to x forward, y left, z up (as a pose: {pose})",
    intensity="set --columns, or the factor to 0..1 with --intensity-scale",
)
"""Flags of the tools that read files."""
BAG_CURES = NODE_CURES._replace(
    frame="clouds must be in the sensor's frame",
    units="set --coordinate-scale {scale}",
    pose="set --sensor-pose {numbers}",
    intensity="--intensity-field names the field to use, --intensity-scale the factor to 0..1",
)
"""Flags of the tools that read bags."""


class OddityWatch:
    """Checks the first clouds and reports each oddity once; used from one thread."""

    def __init__(self, config: ModelConfig, cures: Cures, clouds: int = 10) -> None:
        """Start before the first of the `clouds` clouds to check."""
        self._config, self._cures, self._left = config, cures, clouds
        self.found: dict[str, str] = {}
        """Sentences by the oddity they describe."""

    @property
    def is_over(self) -> bool:
        """Whether no more clouds need to be checked."""
        return self._left <= 0

    def look(self, points: FloatArray) -> list[Oddity]:
        """Check a cloud with `find_oddities`, unless the watch is over; return what no earlier cloud has shown."""
        if self.is_over or not len(points):
            return []
        self._left -= 1
        new = [one for one in find_oddities(points, self._config, self._cures) if one.about not in self.found]
        self.found.update({one.about: one.sentence for one in new})
        return new


def find_oddities(points: FloatArray, config: ModelConfig, cures: Cures) -> list[Oddity]:
    """Return the oddities of `points` (N, 4), in the network's frame, intensity scaled to 0..1."""
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
    """Return the ratio of `points` (N, >= 3) in the network's range, 0 to 1."""
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
    text = f"{ratio:.0%} of the coordinates are below {_TINY_M:g} or above {_HUGE_M:g} m, so they cannot be coordinates"
    return Oddity("byte order", text, cures.byte_order)


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
            f"the points lie about {away / 1000.0:,.0f} km from the origin, as in UTM or a map frame, but the network"
        )
        return Oddity("frame", f"{text} detects around the sensor", cures.frame)
    scaled = {scale: points * np.array([scale, scale, scale, 1.0], np.float32) for scale in (0.01, 0.001)}
    # Both units may fit. For sensors near the ground, the right one puts the ground at the right height.
    for scale, name in ((0.01, "centimetres"), (0.001, "millimetres")):
        is_last = scale == min(scaled)
        if share_in_range(scaled[scale], config) >= _MIN_MENDED and (is_last or _is_on_ground(scaled[scale], config)):
            text = f"the points lie up to {np.percentile(distances, 99):,.0f} m away, as if they were in {name}"
            return Oddity("units", text, cures.units.format(scale=scale))
    if np.mean(distances > _FAR_M) <= _MAX_FAR_RATIO:
        return None
    text = f"{np.mean(distances > _FAR_M):.0%} of the points are beyond 1 km"
    scaling = cures.units.format(scale="the factor to metres")
    return Oddity("units", text, f"{cures.byte_order}; where they are no metres, {scaling}")


def _out_of_range(points: FloatArray, config: ModelConfig, cures: Cures) -> Oddity | None:
    share = share_in_range(points, config)
    if share >= _MIN_IN_RANGE:
        return None
    extent = ", ".join(f"{axis} {low:g} to {high:g}" for axis, (low, high) in zip("xyz", _ranges(config), strict=True))
    text = f"{share:.1%} of the points are in the network's range, {extent} m"
    for where, yaw in (("behind", math.pi), ("to the left", -math.pi / 2), ("to the right", math.pi / 2)):
        pose = (0.0, 0.0, 0.0, 0.0, 0.0, yaw)
        if share_in_range(_moved(points, pose), config) >= max(_MIN_MENDED, 4 * share):
            return Oddity("range", f"{text}; most lie {where}", _cure(cures, pose))
    low, high = config.grid.z_range
    beside = points[(points[:, 2] < low) | (points[:, 2] >= high)]
    lifted = (0.0, 0.0, -config.sensor.height - float(np.percentile(points[:, 2], 5)), 0.0, 0.0, 0.0)
    if len(beside) > len(points) / 2 and share_in_range(_moved(points, lifted), config) >= _MIN_MENDED:
        text = f"{text}; z is about {np.median(points[:, 2]):.1f} m"
        return Oddity("range", text, _cure(cures, lifted))
    return Oddity("range", f"{text}, so next to nothing can be detected", cures.frame)


def _turned(points: FloatArray, config: ModelConfig, cures: Cures) -> Oddity | None:
    """Check for the ground where it should not be: overhead, or along another axis."""
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
            text = f"the ground is found only if the cloud is taken to be {what}"
            return Oddity("axes", text, _cure(cures, pose))
    return None


def _intensity(points: FloatArray, cures: Cures) -> Oddity | None:
    values = points[:, 3]
    negative, bright = float(np.mean(values < 0.0)), float(np.mean(values > BRIGHT))
    if negative > _MAX_NEGATIVE_RATIO:
        text = f"{negative:.0%} of the values are negative, so they are not intensities"
        return Oddity("intensity", text, cures.intensity)
    if bright > _MAX_NEGATIVE_RATIO:
        text = f"{bright:.0%} of the intensities are above {BRIGHT:g}, up to {values.max():.4g}"
        return Oddity("bright", f"{text}, but the network expects 0 to 1", cures.intensity)
    return None


def _is_on_ground(points: FloatArray, config: ModelConfig) -> bool:
    """Whether the ground is found at about the height that the network was trained for."""
    ground_z = find_ground(points)
    return ground_z is not None and abs(ground_z + config.sensor.height) < _HEIGHT_TOLERANCE_M


def _moved(points: FloatArray, pose: tuple[float, ...]) -> FloatArray:
    copy = points.copy()
    Transform.from_pose(*pose).move(copy)
    return copy


def _cure(cures: Cures, pose: tuple[float, ...]) -> str:
    rounded = [round(value, 4) for value in pose]
    return cures.pose.format(pose=rounded, numbers=" ".join(f"{value:g}" for value in rounded))
