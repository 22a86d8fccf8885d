# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether clouds are what a network was trained with: units, axes, intensity, beams, height, tilt, times.

Every check takes arrays and returns findings. What mends them is worded by whoever knows where the clouds come from.
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
"""Share of the points of clouds; more come of a sensor that is covered, or indoors."""
_MIN_POINTS = 1000
"""Of a cloud; of fewer next to nothing is detected."""
_MAX_HEIGHT_ERROR_M = 0.25
"""KITTI's own frames swing by 0.1 m about their sensor's height."""
_GROSS_HEIGHT_ERROR_M = 0.6
_MAX_TILT_DEG = 3.0
"""Streets themselves are tilted by up to 2 degrees in single clouds."""
_TRIED_TILT_DEG, _BEHIND_M = 12.0, 25.0
_MIN_BEAMS = 4
_MIN_TURN = 0.2
"""Share of the shots of a whole turn; with fewer, beams may be missing since they were cut off."""
_MIN_BEAM_RATIO, _MAX_BEAM_RATIO = 0.7, 1.6
"""Of a sensor's beams to those that the network was trained with."""
_MAX_JITTER, _MAX_GAP = 0.3, 1.5
"""Times the usual interval: the 90th percentile of the deviation from it, and an interval that lacks a cloud."""
_MAX_MISSING = 0.02
_SLOW_HZ = 4.0
_FATAL = ("byte order", "units", "frame", "range", "axes")
"""Oddities that leave next to no detection."""


class CloudCures(NamedTuple):
    """What mends what is found, in the words of whoever reads the clouds."""

    oddities: Cures
    beams: tuple[str, ...]
    """Of a sensor with other beams than the network was trained with."""
    sensor: str
    """Of a sensor that sees next to nothing."""
    times: str
    """Of clouds that are missing, or come at odd times."""


def check_echoes(clouds: Sequence[FloatArray], sent: int, cures: CloudCures) -> Finding:
    """Look at how many of the `sent` points of all `clouds`, which hold those with an echo (N, 4), there are."""
    kept = sum(len(cloud) for cloud in clouds)
    if not kept:
        text = f"no point with an echo in {count_of(len(clouds), 'cloud')}"
        return Finding("cloud.points", Level.FAULT, text, (cures.sensor,))
    without = 1.0 - kept / max(sent, kept)
    usual = round(kept / len(clouds))
    text = f"{count_of(len(clouds), 'cloud')} of {usual:,} points"
    if without > 0.005:
        text += f"; {without:.0%} more have no echo (NaN, or 0 0 0)"
    if usual < _MIN_POINTS or without > _MAX_WITHOUT_ECHO:
        return Finding("cloud.points", Level.WARN, text, (cures.sensor,))
    return Finding("cloud.points", Level.OK, text)


def check_place(clouds: Sequence[FloatArray], config: ModelConfig, cures: CloudCures) -> list[Finding]:
    """Look for odd coordinates and intensities in `clouds` (N, 4), in the network's frame, and for the ground.

    A cloud that is odd in its units or frame tells nothing of the height.
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
    """Look at intensities that are of 0 to 1 by now; `how` they were read, in words."""
    values = np.concatenate([cloud[:, 3] for cloud in clouds])
    if not values.any():
        text = f"every intensity is 0{how}: the network was trained with intensities, and finds less without"
        return Finding("cloud.intensity", Level.WARN, text, (cures.oddities.intensity,))
    low, median, high = (float(value) for value in np.quantile(values, (0.01, 0.5, 0.99)))
    return Finding("cloud.intensity", Level.OK, f"{low:.2g} to {high:.2g}, half below {median:.2g}{how}")


def check_pattern(estimate: SensorEstimate, points: float, trained: SensorConfig, cures: CloudCures) -> Finding:
    """Compare a sensor's beams, in clouds of so many `points`, with those that the network was `trained` with."""
    name, wanted = "cloud.beams", trained.beams
    if estimate.beams is None or len(estimate.elevations_deg) < _MIN_BEAMS:
        text = "no beams around a vertical axis are to be seen"
        hint = f", and the model was trained with {wanted}" if wanted else ""
        return Finding(name, Level.NOTE, f"{text} (no spinning LiDAR, or clouds that were moved or joined){hint}")
    elevations, step = estimate.elevations_deg, estimate.azimuth_step_deg
    text = f"{len(elevations)} beams from {elevations[-1]:+.1f} to {elevations[0]:+.1f} deg"
    if step is not None:
        text += f", every {step:.2f} deg of azimuth"
    if not wanted:
        return Finding(name, Level.OK, f"{text}; the model does not say how many it was trained with")
    ratio = len(elevations) / wanted
    if step is not None and ratio < 1.0 and points < _MIN_TURN * len(elevations) * 360.0 / step:
        return Finding(name, Level.NOTE, f"{text}, of a part of a turn only; the model was trained with {wanted}")
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
    """Compare the ground in `clouds` (N, 4), moved by `pose` from the sensor, with that `height` (m) below the network.

    The cure is the pose that puts it there, level. `frame`: what is moved by it instead of the sensor.
    """
    name, max_tilt = "cloud.height", math.radians(_TRIED_TILT_DEG)
    planes = [plane for cloud in clouds if (plane := fit_ground(cloud, max_tilt, _BEHIND_M)) is not None]
    if 2 * len(planes) < max(1, len(clouds)):
        text = f"no level ground is to be seen (indoors, a slope, walls); the model expects it {height:.2f} m below"
        return Finding(name, Level.NOTE, text)
    ground = GroundPlane(*(float(value) for value in np.median([tuple(plane) for plane in planes], axis=0)))
    tilt, is_moved = math.degrees(ground.tilt), not pose.is_identity
    what = f"{frame or 'the sensor'}, once moved by its pose, is" if is_moved else f"{frame or 'the sensor'} is"
    text = f"{what} {-ground.z:.2f} m above the ground, and the model expects {height:.2f} m"
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
    """Return what puts the ground `height` below the origin, and turns it level where it `is_tilted`."""
    if not is_tilted:
        return Transform.from_pose(0.0, 0.0, -height - ground.z, 0.0, 0.0, 0.0)
    scale = 1.0 / math.sqrt(1.0 + ground.rise_x**2 + ground.rise_y**2)
    roll = math.atan2(-ground.rise_y, 1.0)
    pitch = math.atan2(ground.rise_x, math.hypot(1.0, ground.rise_y))
    return Transform.from_pose(0.0, 0.0, -height - ground.z * scale, roll, pitch, 0.0)


def pose_of(transform: Transform) -> tuple[float, float, float, float, float, float]:
    """Return x y z (m) roll pitch yaw (rad, about fixed axes) of a transform, rounded as people type it."""
    r = transform.rotation
    pitch = math.asin(max(-1.0, min(1.0, -float(r[2, 0]))))
    roll, yaw = math.atan2(r[2, 1], r[2, 2]), math.atan2(r[1, 0], r[0, 0])
    x, y, z = (round(float(value), 2) + 0.0 for value in transform.translation)
    roll, pitch, yaw = (round(angle, 4) + 0.0 for angle in (roll, pitch, yaw))
    return x, y, z, roll, pitch, yaw


def check_times(stamps_ns: Sequence[int], cures: CloudCures) -> list[Finding]:
    """Look at the stamps of clouds in the order in which they came: rate, jitter, clouds that are missing."""
    name = "cloud.rate"
    if len(stamps_ns) < 3:
        return []
    steps = np.diff(np.asarray(stamps_ns, np.float64)) / 1e9
    usual = float(np.median(steps))
    if usual <= 0.0 or not any(stamps_ns):
        text = "the stamps do not rise from cloud to cloud, so no rate can be told"
        cure = "have the driver stamp each cloud: header.stamp = node.get_clock().now().to_msg()"
        return [Finding(name, Level.WARN, text, (cure,))]
    rate = 1.0 / usual
    jitter = float(np.percentile(np.abs(steps - usual), 90)) / usual
    missing = int(np.sum(np.maximum(np.round(steps[steps > _MAX_GAP * usual] / usual) - 1.0, 0.0)))
    text = f"{rate:.1f} clouds a second by their stamps, {1000.0 * jitter * usual:.0f} ms of jitter"
    backwards = int(np.sum(steps < 0.0))
    if backwards:
        text += f"; {count_of(backwards, 'stamp')} before the one of the cloud before"
    if missing:
        text += f"; {count_of(missing, 'cloud')} of {missing + len(stamps_ns)} missing"
    is_odd = backwards or jitter > _MAX_JITTER or missing > _MAX_MISSING * len(stamps_ns) or rate < _SLOW_HZ
    return [Finding(name, Level.WARN, text, (cures.times,)) if is_odd else Finding(name, Level.OK, text)]
