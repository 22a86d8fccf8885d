# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The product in registers against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.core.tile import LANES, ROWS, add_product, rectify_product


@pytest.mark.parametrize("depth", [1, 2, 10, 64])
@pytest.mark.parametrize("tiles", [1, 2, 4])
def test_products_are_added_to_what_is_there(depth: int, tiles: int) -> None:
    rng = np.random.default_rng(depth * tiles)
    left, right = rng.normal(size=(ROWS, depth)), rng.normal(size=(depth, tiles * LANES))
    out = rng.normal(size=(ROWS, tiles * LANES)).astype(np.float32)
    expected = out + left @ right
    add_product(left.astype(np.float32), right.astype(np.float32), out, 0)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_neighbours_in_memory_are_left_alone() -> None:
    memory = np.full((ROWS + 2, LANES), 7.0, np.float32)
    add_product(np.ones((ROWS, 3), np.float32), np.ones((3, LANES), np.float32), memory, 1)
    assert (memory[1:-1] == 10.0).all()
    assert (memory[[0, -1]] == 7.0).all()


@pytest.mark.parametrize("depth", [1, 10])
def test_rectified_products_replace_what_is_there(depth: int) -> None:
    rng = np.random.default_rng(depth)
    left, right = rng.normal(size=(ROWS, depth)), rng.normal(size=(depth, 2 * LANES))
    out = np.full((ROWS, 2 * LANES), np.nan, np.float32)
    rectify_product(left.astype(np.float32), right.astype(np.float32), out)
    np.testing.assert_allclose(out, np.maximum(left @ right, 0.0), rtol=1e-5, atol=1e-5)
