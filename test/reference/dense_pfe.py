# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The eight dense inputs of a pillar feature encoder, made anew for each cloud."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from test.reference import pillars as slow_pillars


def blank(grid: GridConfig, rows: int, value: float = 0.0) -> DensePfeInputs:
    """Allocate the eight tensors for `rows` pillars."""
    shape = (1, 1, rows, grid.max_points_per_pillar)
    return DensePfeInputs(
        **{
            name: np.full((1, rows) if name == "num_points" else shape, value, np.float32)
            for name in DensePfeInputs._fields
        }
    )


def dense_inputs(points: npt.NDArray[np.float32], grid: GridConfig, rows: int) -> DensePfeInputs:
    """Return the tensors of one cloud; rows without a pillar count as one point, that is not there."""
    tensors = blank(grid, rows)
    tensors.num_points[:] = 1.0
    for pillar, (cell, indices) in enumerate(slow_pillars.group(points, grid).items()):
        tensors.num_points[0, pillar] = len(indices)
        for slot, index in enumerate(indices):
            at = (0, 0, pillar, slot)
            tensors.x[at], tensors.y[at], tensors.z[at], tensors.intensity[at] = points[index]
            tensors.center_x[at] = grid.pillar_center_offset[0] + cell[0] * grid.pillar_size[0]
            tensors.center_y[at] = grid.pillar_center_offset[1] + cell[1] * grid.pillar_size[1]
            tensors.mask[at] = 1.0
    return tensors
