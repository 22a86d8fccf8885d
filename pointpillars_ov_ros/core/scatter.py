# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scatter: pillar features onto the canvas, the BEV pseudo-image (PointPillars, section 2.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IndexArray, IntArray
from pointpillars_ov_ros.core.canvas_format import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.core.pillars import Pillars


class Canvas:
    """A canvas that is blank but for the pillars of the last cloud scattered into it."""

    def __init__(self, tensor: npt.NDArray[Any], max_pillars: int, form: CanvasFormat | None = None) -> None:
        """Take the memory of `tensor`, which has the layout and type of `form`, and blank it.

        [1, C, ny, nx] or [1, ny, nx, C]; float32, or uint8 where `form` is quantized. Default: NCHW, float32.
        """
        form = form or CanvasFormat()
        tensor.fill(form.zero_point if form.quantized else 0)
        self._form = form
        if form.layout is CanvasLayout.NCHW:
            self._cells = tensor.reshape(tensor.shape[1], -1)
            self._nx = tensor.shape[3]
        else:
            self._cells = tensor.reshape(-1, tensor.shape[3])
            self._nx = tensor.shape[2]
        self._touched = np.zeros(0, np.int32)
        self._row = np.zeros(max_pillars, np.float32)

    def scatter(self, features: FloatArray, pillars: Pillars) -> None:
        """Replace the last cloud by `features` (blocks, C, B): pillar p is in block p // B at p % B.

        Only 3-4 % of the cells are touched: those of the last cloud are blanked, those of this one written.
        """
        coords = pillars.coords[: pillars.size]
        cells = coords[:, 1] * np.int32(self._nx) + coords[:, 0]
        # In the order of memory: each cache line of the canvas is then fetched once, and ahead of its use.
        order = np.argsort(cells)
        cells = cells[order]
        if self._form.layout is CanvasLayout.NCHW:
            replace_in_planes(self._cells, self._touched, cells, features, order, self._row)
        elif self._form.quantized:
            replace_quantized(
                self._cells, self._touched, cells, as_rows(features), order,
                np.float32(1.0 / self._form.scale), np.float32(self._form.offset), np.uint8(self._form.zero_point),
            )  # fmt: skip
        else:
            replace_in_cells(self._cells, self._touched, cells, as_rows(features), order)
        self._touched = cells


def as_rows(features: FloatArray) -> FloatArray:
    """Give features (blocks, C, B) as (blocks * B, C), each pillar's together; the host encoder's already are."""
    return np.ascontiguousarray(features.transpose(0, 2, 1)).reshape(-1, features.shape[1])


@njit(nogil=True, cache=True)
def replace_in_planes(
    planes: FloatArray,
    touched: IntArray,
    cells: IntArray,
    features: FloatArray,
    order: IndexArray,
    row: FloatArray,
) -> None:
    """Blank the columns `touched` of planes (C, ny * nx), write pillar order[k] to column cells[k].

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


@njit(nogil=True, cache=True)
def replace_in_cells(
    canvas: FloatArray, touched: IntArray, cells: IntArray, rows: FloatArray, order: IndexArray
) -> None:
    """Blank the rows `touched` of canvas (ny * nx, C), write pillar order[k] to row cells[k]."""
    for k in range(touched.shape[0]):
        canvas[touched[k]] = 0.0
    for k in range(cells.shape[0]):
        canvas[cells[k]] = rows[order[k]]


@njit(nogil=True, cache=True)
def replace_quantized(
    canvas: npt.NDArray[np.uint8],
    touched: IntArray,
    cells: IntArray,
    rows: FloatArray,
    order: IndexArray,
    inverse_scale: np.float32,
    offset: np.float32,
    blank: np.uint8,
) -> None:
    """As `replace_in_cells`, into levels of 0..255: rounded half to even, then clamped, as FakeQuantize does."""
    for k in range(touched.shape[0]):
        canvas[touched[k]] = blank
    for k in range(cells.shape[0]):
        cell, row = canvas[cells[k]], rows[order[k]]
        for channel in range(cell.shape[0]):
            level = row[channel] * inverse_scale + offset
            level = min(max(level, np.float32(0.0)), np.float32(255.0))
            cell[channel] = np.uint8(np.int32(np.rint(level)))
