# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Beams of a spinning LiDAR, found in its clouds: the points of each lie on a cone around the sensor's z axis.

A cone is z = height + r tan(elevation), r = hypot(x, y). With the right height of the optical centre the elevations of
all points gather in a few narrow peaks, with a wrong one they smear. Some sensors (HDL-64E) have two such centres, one
for the upper and one for the lower beams.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray

MAX_BEAMS = 256
_MIN_RANGE_M = 2.0
"""Minimum range; closer points depend too much on the height of the optical centre to tell the elevation."""
_MAX_POINTS = 400_000
_LOW_DEG, _HIGH_DEG = -89.0, 89.0
_BIN_DEG = 0.02
_BAND_BINS = 25
"""Number of bins in a band of half a degree, in which the sharpness of the peaks is measured."""
_HEIGHTS_M = np.round(np.arange(-0.3, 0.301, 0.01), 2)
"""Heights of optical centres that are tried."""
_MIN_GAIN = 1.15
"""Gain in sharpness required of a height other than 0, and of two heights over one."""
_MIN_PEAK_RATIO = 0.08
"""Ratio to the middle one of the ten highest peaks below which a peak is due to chance."""
_MAX_VALLEY_RATIO = 0.7
"""Ratio to the lower of two peaks; they count as one unless there is a deeper valley between them."""
_MIN_PEAK_POINTS = 50
_PEAK_HALF_WIDTH_DEG = 0.06
_MIN_ON_PEAKS = 0.6
"""Minimum ratio of points on the peaks, minus those that would lie there by chance."""


class Beams(NamedTuple):
    """Beams of a sensor, highest elevation first."""

    elevations_deg: DoubleArray
    """(B,), elevation above the xy plane of the sensor's frame."""
    heights: DoubleArray
    """(B,), height of their optical centres above the frame's origin (m)."""
    points: IntArray
    """(B,), number of points that the elevation was found from."""


def find_beams(points: FloatArray, rings: IntArray | None = None) -> Beams | None:
    """Return the beams of `points` (N, 4), all in the sensor's frame; None if the points are not on beams.

    `rings` (N,) is the beam of each point, if the sensor reports it, in any order.
    """
    ranges, z, rings = _sample(points, rings)
    if len(ranges) < _MIN_PEAK_POINTS:
        return None
    split_deg, upper, lower = _find_heights(ranges, z)
    if rings is not None:
        found = _ring_beams(ranges, z, rings, split_deg, upper, lower)
    else:
        counts = np.zeros(_bins(), np.int32)
        count_elevations(ranges, z, upper, split_deg, _HIGH_DEG, counts)
        if split_deg > _LOW_DEG:
            count_elevations(ranges, z, lower, _LOW_DEG, split_deg, counts)
        found = _peak_beams(counts, split_deg, upper, lower)
    return found if found is not None and 1 <= len(found.points) <= MAX_BEAMS else None


def assign_beams(points: FloatArray, beams: Beams, tolerance_deg: float = 0.1) -> IntArray:
    """Return the beam of each of `points` (N, 4), an index in `beams`; -1 for points on none."""
    ranges = np.hypot(points[:, 0], points[:, 1]).astype(np.float64)
    owners = np.full(len(points), -1, np.int32)
    order = np.argsort(beams.elevations_deg)
    for height in np.unique(beams.heights):
        mine = order[beams.heights[order] == height]
        table = beams.elevations_deg[mine]
        elevations = np.degrees(np.arctan2(points[:, 2] - height, np.maximum(ranges, 1e-6)))
        place = np.clip(np.searchsorted(table, elevations), 1, max(1, len(table) - 1))
        below, above = np.minimum(place - 1, len(table) - 1), np.minimum(place, len(table) - 1)
        nearest = np.where(elevations - table[below] < table[above] - elevations, below, above)
        close = np.abs(elevations - table[nearest]) <= tolerance_deg
        owners[close & (owners < 0)] = mine[nearest[close & (owners < 0)]]
    return owners


def _sample(points: FloatArray, rings: IntArray | None) -> tuple[DoubleArray, DoubleArray, IntArray | None]:
    """Return horizontal range (m), z (m) and ring of a sample of the points, spread evenly."""
    ranges = np.hypot(points[:, 0], points[:, 1])
    chosen = np.flatnonzero((ranges > _MIN_RANGE_M) & np.isfinite(points[:, :3]).all(axis=1))
    chosen = chosen[:: max(1, len(chosen) // _MAX_POINTS)]
    return (
        ranges[chosen].astype(np.float64),
        points[chosen, 2].astype(np.float64),
        None if rings is None else np.asarray(rings, np.int32)[chosen],
    )


def _bins() -> int:
    return round((_HIGH_DEG - _LOW_DEG) / _BIN_DEG)


def _find_heights(ranges: DoubleArray, z: DoubleArray) -> tuple[float, float, float]:
    """Return the elevation (deg) above which beams have the first height (m), below which the second.

    With a single height the elevation is the lowest possible.
    """
    bands = _bins() // _BAND_BINS
    sharpness = np.zeros((len(_HEIGHTS_M), bands))
    counts = np.zeros(_bins(), np.int32)
    for row, height in enumerate(_HEIGHTS_M):
        counts[:] = 0
        count_elevations(ranges, z, float(height), _LOW_DEG, _HIGH_DEG, counts)
        count = counts.astype(float)
        # With the product of neighbours it does not matter where in a bin, or between two, a peak lies.
        pairs = count**2 + 2.0 * count * np.append(count[1:], 0.0)
        sharpness[row] = pairs[: bands * _BAND_BINS].reshape(bands, _BAND_BINS).sum(axis=1)
    whole = sharpness.sum(axis=1)
    level = int(np.abs(_HEIGHTS_M).argmin())
    best = int(whole.argmax())
    best = best if whole[best] > _MIN_GAIN * whole[level] else level
    below = np.hstack([np.zeros((len(_HEIGHTS_M), 1)), np.cumsum(sharpness, axis=1)])
    split_sum = below.max(axis=0) + (below[:, -1:] - below).max(axis=0)
    split = int(split_sum.argmax())
    if split_sum[split] <= _MIN_GAIN * whole[best]:
        return _LOW_DEG, float(_HEIGHTS_M[best]), 0.0
    upper, lower = int((below[:, -1] - below[:, split]).argmax()), int(below[:, split].argmax())
    return _LOW_DEG + split * _BAND_BINS * _BIN_DEG, float(_HEIGHTS_M[upper]), float(_HEIGHTS_M[lower])


@njit(nogil=True, cache=True)
def count_elevations(
    ranges: DoubleArray, z: DoubleArray, height: float, low_deg: float, high_deg: float, counts: IntArray
) -> None:
    """Add to `counts` (bins,) the elevations seen from `height` (m), if between `low_deg` and `high_deg`."""
    for i in range(ranges.shape[0]):
        elevation = math.degrees(math.atan2(z[i] - height, ranges[i]))
        if low_deg <= elevation < high_deg:
            place = int((elevation - _LOW_DEG) / _BIN_DEG)
            if 0 <= place < counts.shape[0]:
                counts[place] += 1


def _peak_beams(counts: IntArray, split_deg: float, upper: float, lower: float) -> Beams | None:
    """Return the beams in a histogram of elevations; None if its points are spread out."""
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], mode="same")
    tops = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])) + 1
    if not len(tops):
        return None
    least = max(_MIN_PEAK_POINTS / 4, _MIN_PEAK_RATIO * float(np.median(np.sort(smooth[tops])[-10:])))
    kept: list[int] = []
    for top in tops[smooth[tops] >= least]:
        if kept and smooth[kept[-1] : top + 1].min() > _MAX_VALLEY_RATIO * min(smooth[kept[-1]], smooth[top]):
            kept[-1] = int(top) if smooth[top] > smooth[kept[-1]] else kept[-1]
        else:
            kept.append(int(top))
    half = round(_PEAK_HALF_WIDTH_DEG / _BIN_DEG)
    elevations, numbers = [], []
    on_peaks = np.zeros(len(counts), bool)
    for top in kept:
        part = slice(max(0, top - half), top + half + 1)
        on_peaks[part] = True
        centers = _LOW_DEG + (np.arange(len(counts))[part] + 0.5) * _BIN_DEG
        elevations.append(float(np.average(centers, weights=counts[part])))
        numbers.append(int(counts[part].sum()))
    seen = np.flatnonzero(counts)
    covered = on_peaks[seen[0] : seen[-1] + 1].mean()
    share = counts[on_peaks].sum() / counts.sum()
    if share < covered + _MIN_ON_PEAKS * (1.0 - covered) or max(numbers) < _MIN_PEAK_POINTS:
        return None
    found = np.array(elevations)[::-1]
    heights = np.where(found >= split_deg, upper, lower)
    return Beams(found, heights, np.array(numbers, np.int32)[::-1])


def _ring_beams(
    ranges: DoubleArray, z: DoubleArray, rings: IntArray, split_deg: float, upper: float, lower: float
) -> Beams | None:
    """Return the median elevation of each ring."""
    rows = []
    for ring in np.unique(rings):
        mine = rings == ring
        if mine.sum() < _MIN_PEAK_POINTS:
            continue
        elevation, height = (float(np.median(np.degrees(np.arctan2(z[mine] - upper, ranges[mine])))), upper)
        if elevation < split_deg:
            elevation, height = float(np.median(np.degrees(np.arctan2(z[mine] - lower, ranges[mine])))), lower
        rows.append((elevation, height, int(mine.sum())))
    if not rows:
        return None
    table = np.array(sorted(rows, reverse=True))
    return Beams(table[:, 0], table[:, 1], table[:, 2].astype(np.int32))
