# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The canvas against its slow twin, cloud after cloud in the same memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas, CanvasFormat, CanvasLayout, are_finite
from test.builders import grouped, random_cloud, tiny_config
from test.reference import scatter as slow

Array = npt.NDArray[np.float32]
GRID = tiny_config().grid
CHANNELS = 3


def empty_canvas(grid: GridConfig, value: float = 0.0) -> Array:
    return np.full((1, CHANNELS, grid.ny, grid.nx), value, np.float32)


def in_blocks(features: Array, block: int, rng: np.random.Generator) -> Array:
    """Lay (P, C) features out as the PFE does, (blocks, C, block), with rubbish behind the last pillar."""
    blocks = -(-GRID.max_pillars // block)
    laid_out = rng.normal(size=(blocks * block, CHANNELS)).astype(np.float32)
    laid_out[: len(features)] = features
    return np.ascontiguousarray(laid_out.reshape(blocks, block, CHANNELS).transpose(0, 2, 1))


def random_features(rng: np.random.Generator, pillars: Pillars) -> Array:
    return rng.normal(size=(pillars.size, CHANNELS)).astype(np.float32)


def expected_canvas(features: Array, pillars: Pillars) -> Array:
    cells = [(int(column), int(row)) for column, row in pillars.coords[: pillars.size]]
    return slow.canvas(features, cells, GRID.ny, GRID.nx)


@pytest.mark.parametrize("block", [1, 7, 20, 59, 60, 64])
@pytest.mark.parametrize("count", [0, 1, 25, 600])
def test_features_in_blocks_land_where_the_twin_puts_them(block: int, count: int) -> None:
    rng = np.random.default_rng(count)
    pillars = grouped(random_cloud(rng, count, GRID), GRID)
    features, tensor = random_features(rng, pillars), empty_canvas(GRID, value=5.0)
    Canvas(tensor, GRID.max_pillars).scatter(in_blocks(features, block, rng), pillars)
    np.testing.assert_array_equal(tensor, expected_canvas(features, pillars))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("block", [7, 60])
def test_one_value_that_is_no_number_is_found_in_either_layout(block: int, poison: float) -> None:
    rng = np.random.default_rng(3)
    features = in_blocks(rng.normal(size=(30, CHANNELS)).astype(np.float32), block, rng)
    as_the_host_lays_them = np.ascontiguousarray(features.transpose(0, 2, 1)).transpose(0, 2, 1)
    for layout in [features, as_the_host_lays_them][: 2 if block == GRID.max_pillars else 1]:
        assert are_finite(layout, 30)
        layout[28 // block, 1, 28 % block] = poison
        assert not are_finite(layout, 30)


FORMS = {
    "nhwc": CanvasFormat(CanvasLayout.NHWC),
    "quantized": CanvasFormat(CanvasLayout.NHWC, quantized=True, scale=0.02, offset=117.3),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("block", [7, 60])
def test_every_form_holds_the_same_canvas(name: str, block: int) -> None:
    """Several clouds in the same memory; quantized as numpy would, blank cells at the level of 0."""
    form, rng, pillars = FORMS[name], np.random.default_rng(block), Pillars(GRID)
    tensor = np.full((1, GRID.ny, GRID.nx, CHANNELS), 9, np.uint8 if form.quantized else np.float32)
    canvas = Canvas(tensor, GRID.max_pillars, form)
    for count in (600, 4, 0, 900):
        pillars.group(random_cloud(rng, count, GRID))
        features = random_features(rng, pillars)
        canvas.scatter(in_blocks(features, block, rng), pillars)
        expected = expected_canvas(features, pillars).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(tensor, form.quantize(expected) if form.quantized else expected)


def test_features_beyond_the_levels_are_clamped() -> None:
    form = CanvasFormat(CanvasLayout.NHWC, quantized=True, scale=0.5, offset=100.0)
    levels = form.quantize(np.float32([-1000.0, -50.0, 0.0, 0.25, 0.75, 77.5, 1000.0]))
    assert levels.tolist() == [0, 0, 100, 100, 102, 255, 255]


def test_nothing_of_earlier_clouds_survives_on_the_canvas() -> None:
    rng, tensor, pillars = np.random.default_rng(2), empty_canvas(GRID), Pillars(GRID)
    canvas = Canvas(tensor, GRID.max_pillars)
    for count in (600, 4, 0, 900, 0, 1, 50, 600):
        pillars.group(random_cloud(rng, count, GRID))
        features = random_features(rng, pillars)
        canvas.scatter(in_blocks(features, 20, rng), pillars)
        np.testing.assert_array_equal(tensor, expected_canvas(features, pillars))


def test_features_that_are_nan_are_cleared_like_any_others() -> None:
    rng, tensor, pillars = np.random.default_rng(3), empty_canvas(GRID), Pillars(GRID)
    canvas = Canvas(tensor, GRID.max_pillars)
    pillars.group(random_cloud(rng, 300, GRID))
    canvas.scatter(np.full((1, CHANNELS, 60), np.nan, np.float32), pillars)
    pillars.group(np.zeros((0, 4), np.float32))
    canvas.scatter(np.full((1, CHANNELS, 60), np.nan, np.float32), pillars)
    assert not tensor.any()


def test_the_canvas_is_written_in_the_memory_it_was_given() -> None:
    tensor = empty_canvas(GRID, value=np.nan)
    Canvas(tensor, GRID.max_pillars)
    assert not tensor.any()
