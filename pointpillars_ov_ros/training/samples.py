# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples: crops of augmented scenes as inputs of the network, with their targets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.model_config import GridConfig, ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray, IndexArray, IntArray
from pointpillars_ov_ros.core.pfe import decorate, find_center
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.training.augmentation import MIN_POINTS, Bank, augment
from pointpillars_ov_ros.training.geometry import BoolArray, count_points
from pointpillars_ov_ros.training.scenes import LabelledScene, SceneSource
from pointpillars_ov_ros.training.settings import TrainingSettings
from pointpillars_ov_ros.training.targets import Assigner, LabelArray, direction_bins, encode_boxes

_DECORATED = 9
_NEAR_OBJECT = 0.9
"""Ratio of crops that are guaranteed to show an object; the others are anywhere, and mostly almost empty."""
_SCENES, _CROPS, _BANK = 1, 2, 3
"""Independent streams of random numbers."""


class Window(NamedTuple):
    """A rectangle of the canvas, in cells."""

    column: int
    row: int
    columns: int
    rows: int


class Sample(NamedTuple):
    """Input and targets of the network for one crop with P pillars and K points in total."""

    decorated: FloatArray
    """(K, 9) float32, points as the PFE takes them, pillar after pillar."""
    owners: IndexArray
    """(K,) int64, pillar of each point."""
    cells: IndexArray
    """(P,) int64, row * columns + column of the crop's canvas."""
    is_full: BoolArray
    """(P,), whether a pillar has no empty slot."""
    labels: LabelArray
    """(A,) int8, for each anchor in the order of the outputs: class, BACKGROUND or IGNORED."""
    positives: IndexArray
    """(F,) int64, anchors with an object."""
    residuals: FloatArray
    """(F, 7) float32, residuals of their boxes."""
    directions: IndexArray
    """(F,) int64, their direction bins."""


@dataclass
class SampleMaker:
    """Maker of the samples of a run; all its data can be copied to other processes."""

    config: ModelConfig
    source: SceneSource
    settings: TrainingSettings
    bank: Bank
    alignment: int
    """Number of cells that the last block of the backbone combines: crops start and end at multiples of it."""

    def __post_init__(self) -> None:
        """Check the crop; ConfigError names it."""
        grid, crop = self.config.grid, self.settings.crop
        for side, whole in zip(crop, (grid.nx, grid.ny), strict=True):
            good = side <= whole and side % self.alignment == 0
            require(good, "crop", list(crop), f"multiples of {self.alignment} up to {grid.nx} columns, {grid.ny} rows")
        self._assigner = Assigner(self.config)

    @property
    def crop(self) -> tuple[int, int]:
        """Columns and rows of the canvas that a sample shows."""
        columns, rows = self.settings.crop
        return columns or self.config.grid.nx, rows or self.config.grid.ny

    def make(self, number: int) -> list[Sample]:
        """Return the samples of scene `number` of the run: `samples_per_scene` of them."""
        scene = self.source.scene(scene_seed(self.settings, number))
        return [self.cut(scene, number, use) for use in range(self.settings.samples_per_scene)]

    def cut(self, scene: LabelledScene, number: int, use: int) -> Sample:
        """Return sample number `use` of a scene."""
        random = np.random.default_rng([self.settings.seed, _CROPS, number, use])
        points, boxes, labels = augment(scene, self.settings.augmentation, self.bank, random)
        inside = is_in_range(boxes, self.config.grid)
        boxes, labels = boxes[inside], labels[inside]
        seen = count_points(points, boxes) >= MIN_POINTS
        boxes, labels = boxes[seen], labels[seen]
        window = choose_window(self.config.grid, self.crop, boxes, self.alignment, random)
        return make_sample(points, boxes, labels, self.config, self._assigner, window)


def is_in_range(boxes: FloatArray, grid: GridConfig) -> BoolArray:
    """Return which of `boxes` (M, 7) have their centre over the canvas; no anchor can find the others."""
    (x_low, x_high), (y_low, y_high) = grid.x_range, grid.y_range
    x, y = boxes[:, 0], boxes[:, 1]
    inside: BoolArray = (x >= x_low) & (x < x_high) & (y >= y_low) & (y < y_high)
    return inside


def draw_seed(seed: int, stream: int, number: int) -> int:
    """Return the seed of a scene."""
    return int(np.random.default_rng([seed, stream, number]).integers(2**31))


def scene_seed(settings: TrainingSettings, number: int) -> int:
    """Return the seed of scene `number` of a run."""
    return draw_seed(settings.seed, _SCENES, number)


def bank_seeds(settings: TrainingSettings) -> list[int]:
    """Return the seeds of the scenes that the bank is made from."""
    return [draw_seed(settings.seed, _BANK, number) for number in range(settings.bank_scenes)]


def choose_window(
    grid: GridConfig, crop: tuple[int, int], boxes: FloatArray, alignment: int, random: np.random.Generator
) -> Window:
    """Choose where to crop `crop` columns and rows, mostly so that one of `boxes` (M, 7) is inside."""
    places = (random.uniform(grid.x_range[0], grid.x_range[1]), random.uniform(grid.y_range[0], grid.y_range[1]))
    if len(boxes) and random.random() < _NEAR_OBJECT:
        chosen = boxes[random.integers(len(boxes))]
        places = (float(chosen[0]), float(chosen[1]))
    firsts = []
    ranges, cells = (grid.x_range, grid.y_range), (grid.nx, grid.ny)
    for place, (low, _), size, side, whole in zip(places, ranges, grid.pillar_size, crop, cells, strict=True):
        # The object may be anywhere in the crop except at its very border.
        cell = (place - low) / size - random.uniform(0.1, 0.9) * side
        firsts.append(alignment * round(min(max(cell, 0.0), float(whole - side)) / alignment))
    return Window(firsts[0], firsts[1], *crop)


def crop_grid(grid: GridConfig, window: Window) -> GridConfig:
    """Return the grid of a part of the canvas, in its place in the lidar frame."""
    origin = (grid.x_range[0], grid.y_range[0])
    firsts, sides = (window.column, window.row), (window.columns, window.rows)
    starts = [low + cell * size for low, cell, size in zip(origin, firsts, grid.pillar_size, strict=True)]
    ends = [low + side * size for low, side, size in zip(starts, sides, grid.pillar_size, strict=True)]
    offset = tuple(
        first + cell * size
        for first, cell, size in zip(grid.pillar_center_offset, firsts, grid.pillar_size, strict=True)
    )
    return dataclasses.replace(
        grid,
        x_range=(starts[0], ends[0]),
        y_range=(starts[1], ends[1]),
        max_pillars=min(grid.max_pillars, window.columns * window.rows),
        pillar_center_offset=(offset[0], offset[1]),
    )


def make_sample(
    points: FloatArray, boxes: FloatArray, labels: IntArray, config: ModelConfig, assigner: Assigner, window: Window
) -> Sample:
    """Crop `window` out of a scene of `points` (N, 4) and `boxes` (M, 7) of classes `labels` (M,)."""
    grid = crop_grid(config.grid, window)
    pillars = Pillars(grid)
    pillars.group(np.ascontiguousarray(points, np.float32))
    decorated, owners = decorate_pillars(pillars, grid)
    counts = np.diff(pillars.starts[: pillars.size + 1])
    coords = pillars.coords[: pillars.size].astype(np.int64)
    # Assigned on the whole canvas: anchors at the border of the crop then know of objects beyond it.
    targets = assigner.assign(boxes, labels)
    stride = config.rpn.stride
    part = (
        slice(window.row // stride, (window.row + window.rows) // stride),
        slice(window.column // stride, (window.column + window.columns) // stride),
    )
    assigned = targets.owners[part].reshape(-1)
    positives = np.flatnonzero(assigned >= 0)
    found = boxes[assigned[positives]]
    return Sample(
        decorated=decorated,
        owners=owners,
        cells=coords[:, 1] * window.columns + coords[:, 0],
        is_full=counts >= grid.max_points_per_pillar,
        labels=targets.labels[part].reshape(-1),
        positives=positives,
        residuals=encode_boxes(found, assigner.anchors[part].reshape(-1, 7)[positives]),
        directions=direction_bins(found[:, 6], config.direction.offset, config.direction.first_bin),
    )


def decorate_pillars(pillars: Pillars, grid: GridConfig) -> tuple[FloatArray, IndexArray]:
    """Return the points of `pillars` as the PFE takes them, (K, 9), and the pillar of each, (K,)."""
    count = int(pillars.starts[pillars.size])
    decorated, owners = np.empty((count, _DECORATED + 1), np.float32), np.empty(count, np.int64)
    offset, size = np.array(grid.pillar_center_offset, np.float32), np.array(grid.pillar_size, np.float32)
    _decorate_all(pillars.points, pillars.starts, pillars.coords, pillars.size, offset, size, decorated, owners)
    return np.ascontiguousarray(decorated[:, :_DECORATED]), owners


@njit(nogil=True, cache=True)
def _decorate_all(
    points: FloatArray,
    starts: IntArray,
    coords: IntArray,
    size: int,
    offset: FloatArray,
    pillar_size: FloatArray,
    decorated: FloatArray,
    owners: IndexArray,
) -> None:
    """Write decorated points and a 1 (K, 10), and the pillar of each (K,)."""
    center = np.zeros((1, 5), np.float32)
    for pillar in range(size):
        find_center(points, starts[pillar], starts[pillar + 1], coords, pillar, offset, pillar_size, center, 0)
        for i in range(starts[pillar], starts[pillar + 1]):
            decorate(points, i, center, 0, decorated, i)
            owners[i] = pillar
