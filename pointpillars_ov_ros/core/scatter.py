# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scatter: pillar features onto the canvas, the BEV pseudo-image (PointPillars, section 2.1)."""

from __future__ import annotations

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IndexArray, IntArray
from pointpillars_ov_ros.core.pillars import Pillars


class Canvas:
    """A canvas [1, C, ny, nx] float32 that is zero but for the pillars of the last cloud scattered into it."""

    def __init__(self, tensor: FloatArray, max_pillars: int) -> None:
        """Take the memory of `tensor` (written in place from now on) and blank it."""
        tensor.fill(0.0)
        self._cells = tensor.reshape(tensor.shape[1], -1)
        self._nx = tensor.shape[3]
        self._touched = np.zeros(0, np.int32)
        self._row = np.zeros(max_pillars, np.float32)

    def scatter(self, features: FloatArray, pillars: Pillars) -> None:
        """Replace the last cloud by `features` (blocks, C, B): pillar p is in block p // B at p % B.

        Only 3-4 % of the cells are touched: those of the last cloud are cleared, those of this one written.
        """
        coords = pillars.coords[: pillars.size]
        cells = coords[:, 1] * np.int32(self._nx) + coords[:, 0]
        # In the order of memory: each cache line of the canvas is then fetched once, and ahead of its use.
        order = np.argsort(cells)
        cells = cells[order]
        replace_pillars(self._cells, self._touched, cells, features, order, self._row)
        self._touched = cells


@njit(nogil=True, cache=True)
def replace_pillars(
    planes: FloatArray,
    touched: IntArray,
    cells: IntArray,
    features: FloatArray,
    order: IndexArray,
    row: FloatArray,
) -> None:
    """Clear the columns `touched` of planes (C, ny * nx), write pillar order[k] to column cells[k].

    `row` (>= number of pillars,) is scratch for the features of one channel.
    """
    size, block_size = cells.shape[0], features.shape[2]
    # Channel by channel: one plane of the canvas (0.9 MB) stays in the L2 cache, all of it (55 MB) would not.
    for channel in range(planes.shape[0]):
        plane = planes[channel]
        for first in range(0, size, block_size):
            last = min(first + block_size, size)
            row[first:last] = features[first // block_size, channel, : last - first]
        for k in range(touched.shape[0]):
            plane[touched[k]] = 0.0
        for k in range(size):
            plane[cells[k]] = row[order[k]]
