# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The canvas of one cloud, made anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def canvas(features: Array, cells: Sequence[tuple[int, int]], ny: int, nx: int) -> Array:
    """Put features (P, C) of the pillars at `cells` (column, row) onto a zero canvas [1, C, ny, nx]."""
    result = np.zeros((1, features.shape[1], ny, nx), np.float32)
    for pillar, (column, row) in enumerate(cells):
        result[0, :, row, column] = features[pillar]
    return result
