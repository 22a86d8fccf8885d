# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the numbers of a bare array of floats are: KITTI writes four a point, nuScenes and Lyft five, Waymo six."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.clouds.intensity import INTENSITY_NAMES
from pointpillars_ov_ros.config.errors import ConfigError, shown
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

Columns = tuple[str, ...]
"""Names of the values of a point, in their order."""

KITTI: Columns = ("x", "y", "z", "intensity")
MIN_COLUMNS, MAX_COLUMNS = 3, 32
_GUESSED = (3, 4, 5, 6, 7, 8)
"""Values a point that are looked for."""
_SAMPLES = 100_000
"""Values that are looked at."""
_MIN_POINTS = 32
"""With fewer nothing is certain."""
_MAX_COORDINATE_M = 1000.0
_MAX_NEGATIVE_RATIO = 0.01
"""Of intensities: more are no intensities."""
_MIN_GAIN, _MIN_RELATED_GAIN = 4.0, 1.5
"""So many times as far apart must the columns of the right number be as those of another: one without, and one with a
common divisor, whose columns are mixed less."""
_MIN_SHARE = 0.67
"""Of how far apart they are for a multiple of that number: for two points beside each other no further."""


def parse_columns(text: str) -> Columns:
    """Read --columns: a number of values a point, of which the first four are x y z intensity, or their names.

    ConfigError says what is wrong.
    """
    if text.isdecimal():
        return name_columns(int(text))
    names = tuple(name.strip() for name in text.split(","))
    missing = [axis for axis in "xyz" if names.count(axis) != 1]
    if missing:
        raise ConfigError(f"columns: {shown(text)} must name {missing[0]} once, as in x,y,z,intensity,ring")
    return names


def name_columns(count: int) -> Columns:
    """Name `count` values a point as files without a header have them: x y z, intensity, and others."""
    if not MIN_COLUMNS <= count <= MAX_COLUMNS:
        raise ConfigError(f"columns: {count} is not within {MIN_COLUMNS} and {MAX_COLUMNS}")
    return (*KITTI, *(f"value{index}" for index in range(5, count + 1)))[:count]


def take_columns(rows: FloatArray, columns: Columns) -> FloatArray:
    """Return x y z intensity, (N, 4), of `rows` (N, len(columns)); an intensity that is not there is 0."""
    if columns == KITTI:
        return rows
    points = np.zeros((len(rows), 4), np.float32)
    names = ["x", "y", "z", *(name for name in INTENSITY_NAMES if name in columns)][:4]
    points[:, : len(names)] = rows[:, [columns.index(name) for name in names]]
    return points


def guess_columns(values: FloatArray) -> Columns | None:
    """Return what `values` (N,) are, None where no number of columns is certain.

    In the wrong rows all columns hold a mixture of everything. So the number is right whose columns can be x y z
    intensity, and differ more from each other than those of any other number do.
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
    """Whether the first columns can be x y z (intensity) in a sensor's frame; what is not finite says nothing."""
    sample: DoubleArray = rows[: _SAMPLES // rows.shape[1], :4].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample) or np.abs(sample[:, :3]).max() > _MAX_COORDINATE_M:
        return False
    if sample.shape[1] == 3:
        return not _is_repeated(sample)
    return bool(np.mean(sample[:, 3:] < 0.0) <= _MAX_NEGATIVE_RATIO)


def _is_repeated(rows: DoubleArray) -> bool:
    """Whether a coordinate has but a few values, as no coordinate of a cloud has."""
    return any(len(np.unique(rows[:, axis])) < min(100, len(rows) // 4) for axis in range(3))


def _spread(rows: FloatArray) -> float:
    """Return how far the columns differ from each other in sign, size and wholeness: the variance of their means."""
    rows = rows[: _SAMPLES // rows.shape[1]].astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return 0.0
    sizes = np.log10(np.clip(np.abs(rows), 1e-3, 1e6))
    features = (rows < 0.0, sizes, rows == np.floor(rows))
    return float(sum(np.mean(feature, axis=0).var() for feature in features))
