# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of the intensity range: 0 to 1, as networks are trained with, or 0 to 255 of a byte."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray

BRIGHT = 1.5
"""Scaled intensities above this are outside the 0..1 that networks are trained with."""
BYTE = 1.0 / 255.0
INTENSITY_NAMES = ("intensity", "i", "intensities", "reflectivity", "reflectance", "remission")
"""Names that drivers and files use, the most common first."""
_BYTE_END = 256.0
_MIN_BRIGHT_RATIO = 0.01
"""Minimum ratio of bright points in a cloud; fewer are outliers of a sensor whose range is 0 to 1."""


def find_scale(intensities: FloatArray) -> float:
    """Return the factor that brings `intensities` (N,), finite, to 0..1: 1/255, or 1 if nothing suggests otherwise.

    A dark cloud with a range of 0 to 255 looks like 0 to 1, so ask again with brighter clouds after an answer of 1.
    """
    # Values far above 255 prove nothing either: they are errors, or of another range.
    bright = (intensities > BRIGHT) & (intensities < _BYTE_END)
    if not bright.any():
        return 1.0
    is_whole = bool((intensities == np.floor(intensities)).all())
    return BYTE if is_whole or bright.mean() >= _MIN_BRIGHT_RATIO else 1.0
