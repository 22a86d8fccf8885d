# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scatter: pillar features onto the canvas, the BEV pseudo-image (PointPillars, section 2.1)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.pillars import Pillars


class Canvas:
    """A canvas that is blank except for the pillars of the last cloud scattered into it."""

    def __init__(self, tensor: npt.NDArray[Any], max_pillars: int, form: CanvasFormat | None = None) -> None:
        """Clear the memory of `tensor`, which has the layout and type of `form` and is written in place.

        The shape is [1, C, ny, nx] or [1, ny, nx, C]; the type is float32, or uint8 if `form` is quantized. Default:
        NCHW, float32.
        """
        form = form or CanvasFormat()
        self._blank = tensor.dtype.type(form.zero_point if form.quantized else 0)
        tensor.fill(self._blank)
        self._form = form
        if form.layout is CanvasLayout.NCHW:
            self._cells = tensor.reshape(tensor.shape[1], -1)
            self._nx = tensor.shape[3]
        else:
            self._cells = tensor.reshape(-1, tensor.shape[3])
            self._nx = tensor.shape[2]
        self._written = np.zeros(max_pillars, np.int32)
        self._size = 0
        self._rows = np.empty((0, 0), np.float32)

    def scatter(self, features: FloatArray, pillars: Pillars) -> None:
        """Replace the previous cloud with `features` (blocks, C, B): pillar p is in block p // B at p % B.

        Only 3 to 4 % of the cells are touched: those of the previous cloud are cleared, those of this one written.
        """
        self.clear()
        cells = self._written[: pillars.size]
        np.multiply(pillars.coords[: pillars.size, 1], self._nx, out=cells)
        np.add(cells, pillars.coords[: pillars.size, 0], out=cells)
        self._size = pillars.size
        if self._form.layout is CanvasLayout.NCHW:
            write_planes(self._cells, cells, features)
        elif self._form.quantized:
            scale, offset = np.float32(1.0 / self._form.scale), np.float32(self._form.offset)
            write_quantized(self._cells, cells, self._as_rows(features, pillars.size), scale, offset)
        else:
            write_cells(self._cells, cells, self._as_rows(features, pillars.size))

    def clear(self) -> None:
        """Clear the cells of the last cloud; `scatter` does so if this was not called."""
        touched = self._written[: self._size]
        if self._form.layout is CanvasLayout.NCHW:
            blank_planes(self._cells, touched)
        else:
            blank_cells(self._cells, touched, self._blank)
        self._size = 0

    def _as_rows(self, features: FloatArray, pillars: int) -> FloatArray:
        """Return features (blocks, C, B) as (>= pillars, C); a view if the host encoder made them."""
        _, channels, block = features.shape
        used = features[: -(-pillars // block)].transpose(0, 2, 1)
        if used.flags.c_contiguous:
            return used.reshape(-1, channels)
        length = len(used) * block
        if length > len(self._rows):
            self._rows = np.empty((length, channels), np.float32)
        np.copyto(self._rows[:length].reshape(used.shape), used)
        return self._rows


def are_finite(features: FloatArray, pillars: int) -> bool:
    """Whether the features (blocks, C, B) of all blocks that hold the first `pillars` pillars are finite."""
    blocks = features[: -(-pillars // features.shape[2])]
    if not blocks.flags.c_contiguous:
        # Features of the host encoder: one block, each pillar's features contiguous.
        blocks = blocks.transpose(0, 2, 1)[:, :pillars]
    return bool(all_finite(blocks.reshape(-1)))


@njit(nogil=True, cache=True)
def all_finite(values: FloatArray) -> bool:
    """Whether no value is NaN or infinite; branch-free, so that it is vectorized."""
    found = False
    for i in range(values.shape[0]):
        found |= not abs(values[i]) < np.inf
    return not found


# Channel by channel: one plane of the canvas (0.9 MB) stays in the L2 cache, the whole canvas (55 MB) would not.
@njit(nogil=True, cache=True)
def write_planes(planes: FloatArray, cells: IntArray, features: FloatArray) -> None:
    """Write pillar k of features (blocks, C, B) to column cells[k] of planes (C, ny * nx)."""
    size, block_size = cells.shape[0], features.shape[2]
    for channel in range(planes.shape[0]):
        plane = planes[channel]
        for first in range(0, size, block_size):
            block = features[first // block_size, channel]
            for k in range(first, min(first + block_size, size)):
                plane[cells[k]] = block[k - first]


@njit(nogil=True, cache=True)
def blank_planes(planes: FloatArray, cells: IntArray) -> None:
    """Clear the columns `cells` of planes (C, ny * nx)."""
    for channel in range(planes.shape[0]):
        plane = planes[channel]
        for k in range(cells.shape[0]):
            plane[cells[k]] = 0.0


@njit(nogil=True, cache=True)
def write_cells(canvas: FloatArray, cells: IntArray, rows: FloatArray) -> None:
    """Write row k of `rows` (P, C) to row cells[k] of canvas (ny * nx, C)."""
    for k in range(cells.shape[0]):
        canvas[cells[k]] = rows[k]


@njit(nogil=True, cache=True)
def write_quantized(
    canvas: npt.NDArray[np.uint8], cells: IntArray, rows: FloatArray, inverse_scale: np.float32, offset: np.float32
) -> None:
    """Write rows as `write_cells` does, quantized to 0..255: rounded half to even, then clamped, like FakeQuantize."""
    for k in range(cells.shape[0]):
        cell, row = canvas[cells[k]], rows[k]
        for channel in range(cell.shape[0]):
            level = row[channel] * inverse_scale + offset
            level = min(max(level, np.float32(0.0)), np.float32(255.0))
            cell[channel] = np.uint8(np.int32(np.rint(level)))


@njit(nogil=True, cache=True)
def blank_cells(canvas: npt.NDArray[Any], cells: IntArray, blank: np.generic) -> None:
    """Write `blank` to rows `cells` of canvas (ny * nx, C)."""
    for k in range(cells.shape[0]):
        canvas[cells[k]] = blank


class CanvasLayout(enum.Enum):
    """Memory layout of the canvas."""

    NCHW = "nchw"
    """[1, channels, ny, nx]: one plane per channel."""
    NHWC = "nhwc"
    """[1, ny, nx, channels]: the channels of a cell are contiguous."""


@dataclass(frozen=True)
class CanvasFormat:
    """Format in which the host writes pillar features into the RPN's input tensor.

    If the network's range has no level at exactly 0, its levels differ by up to a tenth of a step from `scale * (level
    - zero_point)`. The plugin makes the same approximation in the original graph.
    """

    layout: CanvasLayout = CanvasLayout.NCHW
    quantized: bool = False
    """uint8, see `quantize`; otherwise plain float32, blank cells 0."""
    scale: float = 1.0
    offset: float = 0.0
    """What the network's FakeQuantize adds before rounding: nearly, but not exactly, `zero_point`."""

    @property
    def zero_point(self) -> int:
        """Value of a blank cell: the quantized 0."""
        return int(np.rint(self.offset))

    def quantize(self, features: FloatArray) -> npt.NDArray[np.uint8]:
        """Quantize as the network's own FakeQuantize would: round half to even, then clamp to 0..255."""
        levels: FloatArray = features * np.float32(1.0 / self.scale) + np.float32(self.offset)
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
