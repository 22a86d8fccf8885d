# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dense inputs of a pillar feature encoder that runs as a network of its own (SmallMunich's split).

Seven inputs have one value per point slot, [1, 1, P, N], and are zero in slots without a point. The eighth holds the
number of points of each pillar, [1, P].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.pillars import Pillars

Planes = tuple[FloatArray, ...]
"""The eight tensors without their leading ones: (P, N) each, num_points (1, P)."""


class DensePfeInputs(NamedTuple):
    """The eight input tensors, float32: [1, 1, P, N] each, `num_points` [1, P]."""

    x: FloatArray
    y: FloatArray
    z: FloatArray
    intensity: FloatArray
    num_points: FloatArray
    center_x: FloatArray
    center_y: FloatArray
    mask: FloatArray


class DensePfe:
    """Writer of clouds into the encoder's input tensors that touches only slots with a point."""

    def __init__(self, grid: GridConfig, inputs: DensePfeInputs) -> None:
        """Clear `inputs`, which are written in place from now on."""
        self._grid = grid
        self._inputs = inputs
        for tensor in inputs:
            tensor.fill(0.0)
        # The graph divides by the number of points: an empty pillar must not produce NaN.
        inputs.num_points.fill(1.0)
        self._planes = tuple(tensor.reshape(tensor.shape[-2:]) for tensor in inputs)
        self._starts = np.zeros(grid.max_pillars + 1, np.int32)
        self._size = 0
        self._offset = np.array(grid.pillar_center_offset, np.float32)
        self._pillar_size = np.array(grid.pillar_size, np.float32)

    def fill(self, pillars: Pillars) -> None:
        """Replace the previous cloud in the tensors with `pillars`."""
        clear_slots(self._planes, self._starts, self._size)
        fill_slots(
            self._planes, pillars.points, pillars.starts, pillars.coords, pillars.size, self._offset, self._pillar_size
        )
        self._size = pillars.size
        self._starts[: pillars.size + 1] = pillars.starts[: pillars.size + 1]


@njit(nogil=True, cache=True)
def clear_slots(planes: Planes, starts: IntArray, size: int) -> None:
    """Clear the slots used by the first `size` pillars (per `starts`) and set their num_points to 1."""
    x, y, z, intensity, num_points, center_x, center_y, mask = planes
    for pillar in range(size):
        num_points[0, pillar] = 1.0
        for slot in range(starts[pillar + 1] - starts[pillar]):
            x[pillar, slot] = 0.0
            y[pillar, slot] = 0.0
            z[pillar, slot] = 0.0
            intensity[pillar, slot] = 0.0
            center_x[pillar, slot] = 0.0
            center_y[pillar, slot] = 0.0
            mask[pillar, slot] = 0.0


@njit(nogil=True, cache=True)
def fill_slots(
    planes: Planes,
    points: FloatArray,
    starts: IntArray,
    coords: IntArray,
    size: int,
    offset: FloatArray,
    pillar_size: FloatArray,
) -> None:
    """Write every point of each pillar, the pillar's centre and the mask into the pillar's slots."""
    x, y, z, intensity, num_points, center_x, center_y, mask = planes
    for pillar in range(size):
        first = starts[pillar]
        count = starts[pillar + 1] - first
        num_points[0, pillar] = count
        own_center_x = offset[0] + pillar_size[0] * coords[pillar, 0]
        own_center_y = offset[1] + pillar_size[1] * coords[pillar, 1]
        for slot in range(count):
            x[pillar, slot] = points[first + slot, 0]
            y[pillar, slot] = points[first + slot, 1]
            z[pillar, slot] = points[first + slot, 2]
            intensity[pillar, slot] = points[first + slot, 3]
            center_x[pillar, slot] = own_center_x
            center_y[pillar, slot] = own_center_y
            mask[pillar, slot] = 1.0
