# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anchors by three loops, and their mask by counting occupied cells in a rectangle."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import AngleConvention, GridConfig, ModelConfig

Cell = tuple[int, int]


def anchors(config: ModelConfig) -> npt.NDArray[np.float32]:
    """Return x, y, bottom z, length, width, height, angle of every anchor, row after row of the output grid."""
    result = []
    rows, columns = config.output_shape
    for row in range(rows):
        for column in range(columns):
            x = config.anchor_grid.offset[0] + config.anchor_grid.step[0] * column
            y = config.anchor_grid.offset[1] + config.anchor_grid.step[1] * row
            for anchor in config.anchors:
                for angle in anchor.angles:
                    result.append((x, y, anchor.bottom_z, *anchor.size, angle))
    return np.array(result, np.float32)


def is_along_x(angle: float, convention: AngleConvention) -> bool:
    """Whether an anchor of this angle lies nearer to the x axis than to the y axis."""
    yaw = -angle - math.pi / 2 if convention is AngleConvention.ROTATION_Y else angle
    from_x_axis = abs((yaw + math.pi / 2) % math.pi - math.pi / 2)
    return from_x_axis <= math.pi / 4


def occupied_under(
    anchor: npt.NDArray[np.float32], occupied: Collection[Cell], grid: GridConfig, convention: AngleConvention
) -> int:
    """Count the occupied cells (column, row) under an anchor; first column and row excluded."""
    x, y, _, length, width, _, angle = (float(value) for value in anchor)
    size_x, size_y = (length, width) if is_along_x(angle, convention) else (width, length)

    def cell(position: float, low: float, size: float, cells: int) -> int:
        return min(max(math.floor((position - low) / size), 0), cells - 1)

    left, right = (cell(x + side * size_x / 2, grid.x_range[0], grid.pillar_size[0], grid.nx) for side in (-1, 1))
    below, above = (cell(y + side * size_y / 2, grid.y_range[0], grid.pillar_size[1], grid.ny) for side in (-1, 1))
    return sum(left < column <= right and below < row <= above for column, row in occupied)
