# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The range of intensities, by their values."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.intensity import BYTE, find_scale

RNG = np.random.default_rng(0)
UNIT = RNG.uniform(0, 1, 1000)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (UNIT, 1.0),
        (UNIT * 255, BYTE),
        (np.floor(UNIT * 255), BYTE),
        (np.floor(UNIT * 12), BYTE),
        (np.array([0.0, 1.0] * 500), 1.0),
        (np.zeros(1000), 1.0),
        (np.zeros(0), 1.0),
        (np.array([2.0, *[0.0] * 999]), BYTE),
        (np.array([2.5, *UNIT]), 1.0),
        (np.array([1e6, *[0.5] * 50]), 1.0),
        (np.array([1e6, *UNIT * 255]), BYTE),
        (np.full(1000, 3000.0), 1.0),
    ],
)
def test_the_scale_is_that_of_a_byte_where_the_values_say_so(values: np.ndarray, scale: float) -> None:
    assert find_scale(values.astype(np.float32)) == scale
