# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns of a bare array of floats: KITTI writes four per point, nuScenes and Lyft five, Waymo six."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.clouds.intensity import INTENSITY_NAMES
from pointpillars_ov_ros.config.errors import ConfigError, shown
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

Columns = tuple[str, ...]
"""Names of the values of a point, in order."""

KITTI: Columns = ("x", "y", "z", "intensity")
MIN_COLUMNS, MAX_COLUMNS = 3, 32
_GUESSED = (3, 4, 5, 6, 7, 8)
"""Numbers of values per point that are tried."""
_SAMPLES = 100_000
"""Number of values that are examined."""
_MIN_POINTS = 32
"""With fewer points no guess is reliable."""
_MAX_COORDINATE_M = 1000.0
_MAX_NEGATIVE_RATIO = 0.01
"""Maximum ratio of negative intensities; with more, the column is not an intensity."""
_MIN_GAIN, _MIN_RELATED_GAIN = 4.0, 1.5
"""How much further apart the columns of the right number must be than those of another.

The second value is for numbers with a common divisor, whose columns are mixed less.
"""
_MIN_SHARE = 0.67
"""Minimum ratio to the spread at a multiple of that number, where two neighbouring points share a row."""


def parse_columns(text: str) -> Columns:
    """Parse --columns: a number of values per point that begin with x y z intensity, or their names.

    Raises ConfigError.
    """
    if text.isdecimal():
        return name_columns(int(text))
    names = tuple(name.strip() for name in text.split(","))
    missing = [axis for axis in "xyz" if names.count(axis) != 1]
    if missing:
        raise ConfigError(f"columns: {shown(text)} must name {missing[0]} once, as in x,y,z,intensity,ring")
    return names


def name_columns(count: int) -> Columns:
    """Name `count` values per point as files without a header have them: x y z, intensity, and others."""
    if not MIN_COLUMNS <= count <= MAX_COLUMNS:
        raise ConfigError(f"columns: {count} is not between {MIN_COLUMNS} and {MAX_COLUMNS}")
    return (*KITTI, *(f"value{index}" for index in range(5, count + 1)))[:count]


def take_columns(rows: FloatArray, columns: Columns) -> FloatArray:
    """Return x y z intensity, (N, 4), of `rows` (N, len(columns)); a missing intensity is 0."""
    if columns == KITTI:
        return rows
    points = np.zeros((len(rows), 4), np.float32)
    names = ["x", "y", "z", *(name for name in INTENSITY_NAMES if name in columns)][:4]
    points[:, : len(names)] = rows[:, [columns.index(name) for name in names]]
    return points


def guess_columns(values: FloatArray) -> Columns | None:
    """Return the columns of `values` (N,), None if no number of columns is certain.

    With a wrong number every column is a mixture of all values. The right number is therefore the one whose columns can
    be x y z intensity and differ most from each other.
    """
    if len(values) < _MIN_POINTS * 4:
        return KITTI if len(values) % len(KITTI) == 0 else None
    folded = {count: values[: len(values) // count * count].reshape(-1, count) for count in _GUESSED}
    spreads = {count: _spread(rows) for count, rows in folded.items()}
    fitting = [count for count, rows in folded.items() if len(values) % count == 0 and _is_cloud(rows)]
    if not fitting:
        return None
    widest = max(spreads[count] for count in fitting)
    best = next(count for count in fitting if spreads[count] >= _MIN_SHARE * widest)
    gains = [
        spreads[best] / max(spread, 1e-9) / (_MIN_GAIN if math.gcd(count, best) == 1 else _MIN_RELATED_GAIN)
        for count, spread in spreads.items()
        if count % best and best % count
    ]
    return name_columns(best) if min(gains) > 1.0 else None


def _is_cloud(rows: FloatArray) -> bool:
    """Whether the first columns can be x y z (intensity) in a sensor's frame, ignoring values that are not finite."""
    sample: DoubleArray = rows[: _SAMPLES // rows.shape[1], :4].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample) or np.abs(sample[:, :3]).max() > _MAX_COORDINATE_M:
        return False
    if sample.shape[1] == 3:
        return not _is_repeated(sample)
    return bool(np.mean(sample[:, 3:] < 0.0) <= _MAX_NEGATIVE_RATIO)


def _is_repeated(rows: DoubleArray) -> bool:
    """Whether a coordinate takes only a few values, as no coordinate of a cloud does."""
    return any(len(np.unique(rows[:, axis])) < min(100, len(rows) // 4) for axis in range(3))


def _spread(rows: FloatArray) -> float:
    """Return how much the columns differ in sign, magnitude and wholeness: the variance of their means."""
    rows = rows[: _SAMPLES // rows.shape[1]].astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return 0.0
    sizes = np.log10(np.clip(np.abs(rows), 1e-3, 1e6))
    features = (rows < 0.0, sizes, rows == np.floor(rows))
    return float(sum(np.mean(feature, axis=0).var() for feature in features))
