# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The range of intensities that nothing is said of: 0 to 1, as networks are trained with, or 0 to 255 of a byte."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray

BRIGHT = 1.5
"""Scaled intensities above this are not of the 0..1 that networks are trained with."""
BYTE = 1.0 / 255.0
INTENSITY_NAMES = ("intensity", "i", "intensities", "reflectivity", "reflectance", "remission")
"""What drivers and files call it, the usual name first."""
_BYTE_END = 256.0
_MIN_BRIGHT_RATIO = 0.01
"""Of the points of a cloud: fewer are outliers of a sensor whose intensities are of 0 to 1."""


def find_scale(intensities: FloatArray) -> float:
    """Return the factor that brings `intensities` (N,), finite, to 0..1: 1/255, or 1 where nothing speaks for that.

    A dark cloud of 0 to 255 says nothing. So what follows from 1 is to be asked again of brighter clouds.
    """
    # What is far above 255 says nothing either: it is an error, or of another range.
    bright = (intensities > BRIGHT) & (intensities < _BYTE_END)
    if not bright.any():
        return 1.0
    is_whole = bool((intensities == np.floor(intensities)).all())
    return BYTE if is_whole or bright.mean() >= _MIN_BRIGHT_RATIO else 1.0
