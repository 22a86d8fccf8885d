# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimation of a spinning LiDAR from its clouds: beams, azimuth step, mounting, intensity, losses.

>>> estimate = estimate_sensor(clouds)  # doctest: +SKIP
>>> estimate.beams, estimate.height, estimate.troubles  # doctest: +SKIP

Clouds with too little information raise no exception: what cannot be estimated is None, and `troubles` says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.clouds.beams import Beams, assign_beams, find_beams
from pointpillars_ov_ros.clouds.ground import GroundPlane, fit_ground
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray

MAX_TILT_DEG = 10.0
"""Maximum tilt of the ground in the sensor's frame that is attributed to the sensor."""
_BEHIND_M, _BLIND_M = 25.0, 2.2
"""Distance behind the sensor that is searched for ground, too; points closer than the second may be the vehicle."""
_LANE_AHEAD_M, _LANE_ASIDE_M, _LANE_THICKNESS_M = 15.0, 1.9, 0.15
"""Region of the ground that the vehicle stands on: ahead and behind, to either side, and off the plane of all around.

Roads are higher in the middle. A vehicle leans with its lane, relative to which the sensor's tilt is measured, and not
with the ground of all lanes together.
"""
_MIN_LANE_POINTS = 60
_INDOOR_RANGE_M = 15.0
"""If hardly any point is farther away than this, the sensor is indoors or covered."""
_BEAM_POINTS = 400_000
_STEP_BIN_DEG, _MIN_STEP_DEG, _MAX_STEP_DEG = 0.01, 0.03, 3.0
_SECTORS = 180
"""Number of sectors of a revolution in which a beam's returns are counted."""
_RANGE_EDGES_M = np.arange(5.0, 85.1, 5.0)
_MIN_RAYS = 2000
"""Minimum number of rays for a ratio of returns."""
_REACHED = 0.85
"""Returns at less than this ratio of the range to the ground come from an object in front of it."""
_MAX_STEP_VALUES = 1024


class IntensityEstimate(NamedTuple):
    """Statistics of a sensor's intensities (0..1)."""

    low: float
    """1st percentile of the intensities above 0."""
    median: float
    high: float
    """99th percentile."""
    zeros: float
    """Ratio of points with intensity 0."""
    step: float
    """Values are multiples of this."""


class RangeShare(NamedTuple):
    """Ratio of rays in a range bin that would meet the ground and return."""

    range_m: float
    """Middle of the bin."""
    share: float
    """Ratio of the rays, 0 to 1."""
    rays: int


class SensorEstimate(NamedTuple):
    """Estimate of a spinning LiDAR in its own frame (x forward, y left, z up)."""

    clouds: int
    """Number of clouds used."""
    beams: Beams | None
    """None: the points are not on cones, so this is not a spinning LiDAR, or the points were moved."""
    azimuth_step_deg: float | None
    """Angle between two firings of a beam."""
    height: float | None
    """Height of the frame's origin above the ground (m); None, like the next four, if no ground was found."""
    pitch_deg: float | None
    """Positive if the sensor's front points up, so that the ground falls ahead; ROS uses the opposite sign."""
    roll_deg: float | None
    """Positive if its left side is higher."""
    height_spread: float | None
    """Standard deviation between clouds (m)."""
    tilt_spread_deg: tuple[float, float] | None
    """Standard deviation of pitch and roll between clouds, (2,)."""
    min_range: float
    """0.1st percentile of the ranges (m)."""
    max_range: float
    """Greatest range, except for one point in 2000 (m)."""
    intensity: IntensityEstimate
    returns: tuple[RangeShare, ...]
    """Loss by range, nearest first; empty if beams or ground are unknown."""
    troubles: tuple[str, ...]
    """One sentence for each value that could not be estimated."""

    @property
    def elevations_deg(self) -> tuple[float, ...]:
        """Elevations of the beams, highest first; empty if they are unknown."""
        return () if self.beams is None else tuple(float(value) for value in self.beams.elevations_deg)


def estimate_sensor(clouds: Sequence[FloatArray], rings: Sequence[IntArray] | None = None) -> SensorEstimate:
    """Estimate the sensor from `clouds`, arrays (N, 4) float32 of x y z (m) and intensity 0..1 in its frame.

    `rings` has for each cloud the beam of each point (N,), if the sensor reports it. Points at 0 0 0 and points that
    are not finite are ignored. About ten clouds of a drive suffice; those of a parked vehicle show only one ground.
    """
    kept = [_is_echo(cloud) for cloud in clouds]
    parts = [cloud[mask] for cloud, mask in zip(clouds, kept, strict=True)]
    ring_parts = None if rings is None else [np.asarray(r)[m] for r, m in zip(rings, kept, strict=True)]
    points = np.concatenate(parts) if parts else np.zeros((0, 4), np.float32)
    if not len(points):
        return _nothing(len(parts))
    ranges = np.linalg.norm(points[:, :3].astype(np.float64), axis=1)
    every = max(1, len(points) // _BEAM_POINTS)
    ring = None if ring_parts is None else np.concatenate(ring_parts)[::every]
    beams = find_beams(points[::every], ring)
    step = None if beams is None else _find_step(parts, beams)
    planes = [plane for plane in map(_fit_lane, parts) if plane]
    ground = _middle_plane(planes, len(parts))
    returns = count_returns(parts, beams, step, ground) if beams and step and ground else ()
    reach = float(np.quantile(ranges, 0.995))
    spreads = np.std([tuple(plane) for plane in planes], axis=0) if ground else np.zeros(3)
    return SensorEstimate(
        clouds=len(parts),
        beams=beams,
        azimuth_step_deg=step,
        height=None if ground is None else -ground.z,
        pitch_deg=None if ground is None else -math.degrees(math.atan(ground.rise_x)),
        roll_deg=None if ground is None else -math.degrees(math.atan(ground.rise_y)),
        height_spread=None if ground is None else float(spreads[2]),
        tilt_spread_deg=None if ground is None else (math.degrees(spreads[0]), math.degrees(spreads[1])),
        min_range=float(np.quantile(ranges, 0.001)),
        max_range=float(np.quantile(ranges, 0.9995)),
        intensity=_describe_intensity(points[:, 3]),
        returns=returns,
        troubles=_find_troubles(beams, step, ground, reach, len(parts)),
    )


def _is_echo(cloud: FloatArray) -> np.ndarray:
    return np.asarray(np.isfinite(cloud).all(axis=1) & (cloud[:, :3] != 0.0).any(axis=1))


def _nothing(clouds: int) -> SensorEstimate:
    return SensorEstimate(
        clouds, None, None, None, None, None, None, None, 0.0, 0.0, IntensityEstimate(0.0, 0.0, 0.0, 1.0, 1.0), (),
        ("the clouds contain no valid point",),
    )  # fmt: skip


def _fit_lane(points: FloatArray) -> GroundPlane | None:
    """Return the plane of the lane that the vehicle is in; None if the ground is unclear."""
    around = fit_ground(points, math.radians(MAX_TILT_DEG), _BEHIND_M)
    if around is None:
        return None
    x, y = points[:, 0], points[:, 1]
    near = (np.abs(x) < _LANE_AHEAD_M) & (np.abs(y) < _LANE_ASIDE_M) & (np.abs(x) > _BLIND_M)
    part = points[near].astype(np.float64)
    off = part[:, 2] - (around.rise_x * part[:, 0] + around.rise_y * part[:, 1] + around.z)
    lane = part[np.abs(off) < _LANE_THICKNESS_M]
    if len(lane) < _MIN_LANE_POINTS:
        return around
    # All ranges have equal weight, although points are denser nearby.
    weights = np.abs(lane[:, 0])[:, None]
    terms = np.column_stack([lane[:, :2], np.ones(len(lane))])
    found = np.linalg.lstsq(terms * weights, lane[:, 2] * weights[:, 0], rcond=None)[0]
    return GroundPlane(*(float(value) for value in found))


def _middle_plane(planes: Sequence[GroundPlane], clouds: int) -> GroundPlane | None:
    """Return the median of `planes`; None if fewer than half of the clouds showed one."""
    if not planes or 2 * len(planes) < clouds:
        return None
    return GroundPlane(*(float(value) for value in np.median([tuple(plane) for plane in planes], axis=0)))


def _find_troubles(
    beams: Beams | None, step: float | None, ground: GroundPlane | None, reach: float, clouds: int
) -> tuple[str, ...]:
    troubles = []
    if reach < _INDOOR_RANGE_M:
        troubles.append(
            f"hardly any point is farther away than {reach:.0f} m: these clouds were taken indoors, or the sensor was "
            "covered; use clouds of a street"
        )
    if beams is None:
        troubles.append(
            "the points are not on cones around the sensor's z axis: this is not a spinning LiDAR, or its clouds were "
            "moved, merged or filtered; use clouds as the driver publishes them"
        )
    elif step is None:
        troubles.append("the azimuth step is unknown: the beams have too few adjacent points")
    if ground is None:
        troubles.append(
            f"no ground was found in most of {clouds} clouds: it must be visible around the sensor, with z up in m "
            f"and tilted by at most {MAX_TILT_DEG:g} degrees; set sensor_pose for clouds in another frame"
        )
    return tuple(troubles)


def _find_step(parts: Sequence[FloatArray], beams: Beams) -> float | None:
    """Return the angle between two firings of a beam (deg); None if too few points are adjacent."""
    gaps: list[DoubleArray] = []
    for part in parts[:5]:
        owners = assign_beams(part, beams)
        azimuths = np.degrees(np.arctan2(part[:, 1], part[:, 0])).astype(np.float64)
        order = np.lexsort((azimuths, owners))
        same = (owners[order][1:] == owners[order][:-1]) & (owners[order][1:] >= 0)
        gaps.append(np.diff(azimuths[order])[same])
    gap = np.concatenate(gaps)
    gap = gap[(gap > _MIN_STEP_DEG) & (gap < _MAX_STEP_DEG)]
    if len(gap) < 100:
        return None
    counts = np.bincount((gap / _STEP_BIN_DEG).astype(np.int64))
    mode = (float(np.convolve(counts, [1, 1, 1], mode="same").argmax()) + 0.5) * _STEP_BIN_DEG
    # The mean counts, since encoders round: KITTI's device has steps of 0.18 and, every seventh, of 0.09 degrees.
    return float(np.mean(gap[(gap > 0.4 * mode) & (gap < 1.4 * mode)]))


def _describe_intensity(values: FloatArray) -> IntensityEstimate:
    """Return statistics of `values` (N,), 0 to 1."""
    bright = values[values > 0.0].astype(np.float64)
    zeros = 1.0 - len(bright) / len(values)
    if not len(bright):
        return IntensityEstimate(0.0, 0.0, 0.0, zeros, 1.0)
    low, median, high = (float(value) for value in np.quantile(bright, (0.01, 0.5, 0.99)))
    distinct = np.unique(np.round(bright[:100_000], 5))
    gaps = np.diff(distinct)
    step = float(np.median(gaps)) if 0 < len(gaps) < _MAX_STEP_VALUES else 1.0 / _MAX_STEP_VALUES
    return IntensityEstimate(low, median, high, zeros, step)


def count_returns(
    parts: Sequence[FloatArray], beams: Beams, step_deg: float, ground: GroundPlane, min_rays: int = _MIN_RAYS
) -> tuple[RangeShare, ...]:
    """Return the ratio of rays that return among those that would meet the ground, by range.

    Rays that meet an object in front of the ground are ignored.
    """
    expected = _ground_ranges(beams, ground)
    rays = 360.0 / step_deg / _SECTORS
    hits = np.zeros_like(expected)
    looked = np.zeros_like(expected)
    for part in parts:
        owners = assign_beams(part, beams)
        chosen = owners >= 0
        azimuths = np.arctan2(part[chosen, 1], part[chosen, 0])
        sectors = np.minimum(((azimuths + math.pi) / (2 * math.pi) * _SECTORS).astype(np.int64), _SECTORS - 1)
        cell = owners[chosen] * _SECTORS + sectors
        distance = np.linalg.norm(part[chosen, :3], axis=1)
        counts = np.bincount(cell, minlength=expected.size)
        total = np.bincount(cell, weights=distance, minlength=expected.size)
        means = np.where(counts > 0, total / np.maximum(counts, 1), math.inf).reshape(expected.shape)
        free = means > _REACHED * expected
        hits += np.where(free, np.minimum(counts.reshape(expected.shape), rays), 0.0)
        looked += np.where(free, rays, 0.0)
    found = []
    for low, high in pairwise(_RANGE_EDGES_M):
        inside = (expected >= low) & (expected < high)
        number = float(looked[inside].sum())
        if number >= min_rays:
            found.append(RangeShare(float(low + high) / 2, float(hits[inside].sum() / number), round(number)))
    return tuple(found)


def _ground_ranges(beams: Beams, ground: GroundPlane) -> DoubleArray:
    """Return the distance of the ground along each beam in the middle of each sector (m), (B, sectors); inf: none."""
    azimuths = (np.arange(_SECTORS) + 0.5) / _SECTORS * 2 * math.pi - math.pi
    elevations = np.radians(beams.elevations_deg)[:, None]
    rise = ground.rise_x * np.cos(azimuths) + ground.rise_y * np.sin(azimuths)
    falling = np.cos(elevations) * rise - np.sin(elevations)
    distance: DoubleArray = np.full(falling.shape, math.inf)
    down = falling > 1e-4
    distance[down] = np.broadcast_to((beams.heights - ground.z)[:, None], falling.shape)[down] / falling[down]
    return distance
