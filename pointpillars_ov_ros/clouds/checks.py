# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of clouds against the network's training data: units, axes, intensity, beams, height, tilt and times.

Every check takes arrays and returns findings. The cures are worded by the caller, who knows where the clouds come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.clouds.ground import GroundPlane, fit_ground
from pointpillars_ov_ros.clouds.oddities import Cures, Oddity, find_oddities, share_in_range
from pointpillars_ov_ros.clouds.sensor_estimate import SensorEstimate
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.config.model_config import ModelConfig, SensorConfig
from pointpillars_ov_ros.core.arrays import FloatArray

_MAX_WITHOUT_ECHO = 0.9
"""Share of points; more are missing if a sensor is covered, or indoors."""
_MIN_POINTS = 1000
"""Number of points of a cloud; hardly anything is detected in fewer."""
_MAX_HEIGHT_ERROR_M = 0.25
"""Error of the sensor's height; in KITTI's own frames it varies by 0.1 m."""
_GROSS_HEIGHT_ERROR_M = 0.6
_MAX_TILT_DEG = 3.0
"""Tilt of the ground; streets themselves are tilted by up to 2 degrees in single clouds."""
_TRIED_TILT_DEG, _BEHIND_M = 12.0, 25.0
_MIN_BEAMS = 4
_MIN_TURN = 0.2
"""Share of the shots of a full revolution; with fewer, beams may be missing because they were cut off."""
_MIN_BEAM_RATIO, _MAX_BEAM_RATIO = 0.7, 1.6
"""Ratio of a sensor's beams to those that the network was trained with."""
_MAX_JITTER, _MAX_GAP = 0.3, 1.5
"""In units of the usual interval: the 90th percentile of the deviation from it, and an interval that lacks a cloud."""
_MAX_MISSING = 0.02
_SLOW_HZ = 4.0
_FATAL = ("byte order", "units", "frame", "range", "axes")
"""Oddities that prevent nearly all detections."""


class CloudCures(NamedTuple):
    """Cures for the findings, in the terms of the tool that reads the clouds."""

    oddities: Cures
    beams: tuple[str, ...]
    """For a sensor with other beams than the network was trained with."""
    sensor: str
    """For a sensor that sees next to nothing."""
    times: str
    """For clouds that are missing or come at irregular times."""


def check_echoes(clouds: Sequence[FloatArray], sent: int, cures: CloudCures) -> Finding:
    """Check how many of the `sent` points are valid; `clouds` contain only valid points (N, 4)."""
    kept = sum(len(cloud) for cloud in clouds)
    if not kept:
        text = f"no valid point in {count_of(len(clouds), 'cloud')}"
        return Finding("cloud.points", Level.FAULT, text, (cures.sensor,))
    without = 1.0 - kept / max(sent, kept)
    usual = round(kept / len(clouds))
    text = f"{count_of(len(clouds), 'cloud')} of {usual:,} points"
    if without > 0.005:
        text += f"; {without:.0%} more are invalid (NaN, or 0 0 0)"
    if usual < _MIN_POINTS or without > _MAX_WITHOUT_ECHO:
        return Finding("cloud.points", Level.WARN, text, (cures.sensor,))
    return Finding("cloud.points", Level.OK, text)


def check_place(clouds: Sequence[FloatArray], config: ModelConfig, cures: CloudCures) -> list[Finding]:
    """Check `clouds` (N, 4), in the network's frame, for odd coordinates and intensities, and for the ground.

    The height is not judged in a cloud with odd units or frame.
    """
    odd: dict[str, Oddity] = {}
    for cloud in clouds:
        odd.update({one.about: one for one in find_oddities(cloud, config, cures.oddities) if one.about not in odd})
    found = [
        Finding(_name(one.about), Level.FAULT if one.about in _FATAL else Level.WARN, one.seen, (one.cure,))
        for one in odd.values()
    ]
    if not any(name in odd for name in _FATAL):
        share = float(np.mean([share_in_range(cloud, config) for cloud in clouds if len(cloud)] or [0.0]))
        reach = config.grid.x_range[1]
        text = f"x forward, y left, z up in metres; {share:.0%} of the points in the network's range (to {reach:g} m)"
        found.insert(0, Finding("cloud.coordinates", Level.OK, text))
    return found


def _name(about: str) -> str:
    return "cloud.intensity" if about in ("intensity", "bright") else "cloud.coordinates"


def check_intensity(clouds: Sequence[FloatArray], how: str, cures: CloudCures) -> Finding:
    """Check intensities scaled to 0 to 1; `how` describes in words how they were read."""
    values = np.concatenate([cloud[:, 3] for cloud in clouds])
    if not values.any():
        text = f"every intensity is 0{how}: the network was trained with intensities, and finds less without them"
        return Finding("cloud.intensity", Level.WARN, text, (cures.oddities.intensity,))
    low, median, high = (float(value) for value in np.quantile(values, (0.01, 0.5, 0.99)))
    return Finding("cloud.intensity", Level.OK, f"{low:.2g} to {high:.2g}, half below {median:.2g}{how}")


def check_pattern(estimate: SensorEstimate, points: float, trained: SensorConfig, cures: CloudCures) -> Finding:
    """Compare a sensor's beams, in clouds of `points` points, with those that the network was `trained` with."""
    name, wanted = "cloud.beams", trained.beams
    if estimate.beams is None or len(estimate.elevations_deg) < _MIN_BEAMS:
        text = "no beams around a vertical axis were found"
        hint = f", and the model was trained with {wanted}" if wanted else ""
        return Finding(name, Level.NOTE, f"{text} (not a spinning LiDAR, or transformed or merged clouds){hint}")
    elevations, step = estimate.elevations_deg, estimate.azimuth_step_deg
    text = f"{len(elevations)} beams from {elevations[-1]:+.1f} to {elevations[0]:+.1f} deg"
    if step is not None:
        text += f", every {step:.2f} deg of azimuth"
    if not wanted:
        return Finding(name, Level.OK, f"{text}; the model does not say how many it was trained with")
    ratio = len(elevations) / wanted
    if step is not None and ratio < 1.0 and points < _MIN_TURN * len(elevations) * 360.0 / step:
        return Finding(name, Level.NOTE, f"{text}, in a part of a revolution only; the model was trained with {wanted}")
    if ratio < _MIN_BEAM_RATIO:
        text += f"; the model was trained with {wanted} beams and finds less with fewer"
        return Finding(name, Level.WARN, text, cures.beams)
    if ratio > _MAX_BEAM_RATIO:
        text += f"; the model was trained with {wanted} beams, and has not seen objects as dense as these"
        return Finding(name, Level.WARN, text, cures.beams)
    return Finding(name, Level.OK, f"{text}; the model was trained with {wanted}")


def check_mounting(
    clouds: Sequence[FloatArray], pose: Transform, height: float, cures: CloudCures, frame: str = ""
) -> Finding:
    """Compare the ground in `clouds` (N, 4), moved by `pose` from the sensor, with that expected `height` (m) below.

    The cure is the pose that puts it there, level. `frame` is the frame that this pose moves instead of the sensor's.
    """
    name, max_tilt = "cloud.height", math.radians(_TRIED_TILT_DEG)
    planes = [plane for cloud in clouds if (plane := fit_ground(cloud, max_tilt, _BEHIND_M)) is not None]
    if 2 * len(planes) < max(1, len(clouds)):
        text = f"no level ground was found (indoors, a slope, walls); the model expects it {height:.2f} m below"
        return Finding(name, Level.NOTE, text)
    ground = GroundPlane(*(float(value) for value in np.median([tuple(plane) for plane in planes], axis=0)))
    tilt, is_moved = math.degrees(ground.tilt), not pose.is_identity
    what = f"{frame or 'the sensor'}, after applying its pose, is" if is_moved else f"{frame or 'the sensor'} is"
    text = f"{what} {-ground.z:.2f} m above the ground, but the model expects {height:.2f} m"
    is_tilted = tilt > _MAX_TILT_DEG
    if is_tilted:
        text += f"; the ground is tilted by {tilt:.0f} degrees"
    if abs(ground.z + height) <= _MAX_HEIGHT_ERROR_M and not is_tilted:
        return Finding(name, Level.OK, text)
    gross = abs(ground.z + height) > _GROSS_HEIGHT_ERROR_M
    numbers = pose_of(_levelling(ground, height, is_tilted).after(pose))
    cure = cures.oddities.pose.format(pose=list(numbers), numbers=" ".join(f"{value:g}" for value in numbers))
    return Finding(name, Level.FAULT if gross else Level.WARN, text, (cure,))


def _levelling(ground: GroundPlane, height: float, is_tilted: bool) -> Transform:
    """Return the transform that puts the ground `height` below the origin, and levels it if it `is_tilted`."""
    if not is_tilted:
        return Transform.from_pose(0.0, 0.0, -height - ground.z, 0.0, 0.0, 0.0)
    scale = 1.0 / math.sqrt(1.0 + ground.rise_x**2 + ground.rise_y**2)
    roll = math.atan2(-ground.rise_y, 1.0)
    pitch = math.atan2(ground.rise_x, math.hypot(1.0, ground.rise_y))
    return Transform.from_pose(0.0, 0.0, -height - ground.z * scale, roll, pitch, 0.0)


def pose_of(transform: Transform) -> tuple[float, float, float, float, float, float]:
    """Return x y z (m) roll pitch yaw (rad, about fixed axes) of a transform, rounded for typing."""
    r = transform.rotation
    pitch = math.asin(max(-1.0, min(1.0, -float(r[2, 0]))))
    roll, yaw = math.atan2(r[2, 1], r[2, 2]), math.atan2(r[1, 0], r[0, 0])
    x, y, z = (round(float(value), 2) + 0.0 for value in transform.translation)
    roll, pitch, yaw = (round(angle, 4) + 0.0 for angle in (roll, pitch, yaw))
    return x, y, z, roll, pitch, yaw


def check_times(stamps_ns: Sequence[int], cures: CloudCures) -> list[Finding]:
    """Check the stamps of clouds, in order of arrival, for rate, jitter and missing clouds."""
    name = "cloud.rate"
    if len(stamps_ns) < 3:
        return []
    steps = np.diff(np.asarray(stamps_ns, np.float64)) / 1e9
    usual = float(np.median(steps))
    if usual <= 0.0 or not any(stamps_ns):
        text = "the stamps do not increase from cloud to cloud, so the rate is unknown"
        cure = "have the driver stamp each cloud: header.stamp = node.get_clock().now().to_msg()"
        return [Finding(name, Level.WARN, text, (cure,))]
    rate = 1.0 / usual
    jitter = float(np.percentile(np.abs(steps - usual), 90)) / usual
    missing = int(np.sum(np.maximum(np.round(steps[steps > _MAX_GAP * usual] / usual) - 1.0, 0.0)))
    text = f"{rate:.1f} clouds a second by their stamps, {1000.0 * jitter * usual:.0f} ms of jitter"
    backwards = int(np.sum(steps < 0.0))
    if backwards:
        text += f"; {count_of(backwards, 'stamp')} earlier than that of the previous cloud"
    if missing:
        text += f"; {count_of(missing, 'cloud')} of {missing + len(stamps_ns)} missing"
    is_odd = backwards or jitter > _MAX_JITTER or missing > _MAX_MISSING * len(stamps_ns) or rate < _SLOW_HZ
    return [Finding(name, Level.WARN, text, (cures.times,)) if is_odd else Finding(name, Level.OK, text)]
