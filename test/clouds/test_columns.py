# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Number of values per point in files that do not state it."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.columns import KITTI, guess_columns, name_columns, parse_columns, take_columns
from pointpillars_ov_ros.config.errors import ConfigError
from test.clouds.cloud_files import street
from test.shared_data import KITTI as SHARED_KITTI
from test.shared_data import needs_shared_data

COUNT = 4000
"""Number of points such that 4, 5, 6 … values per point all make a whole number of points of 4."""


def extra(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return a further column."""
    return {
        "ring": np.tile(np.arange(64.0), 63)[:COUNT],
        "seconds": np.linspace(0, 0.1, COUNT),
        "nanoseconds": np.linspace(0, 1e8, COUNT),
        "elongation": rng.uniform(0, 1.5, COUNT),
        "no zone": np.full(COUNT, -1.0),
        "nothing": np.zeros(COUNT),
    }[kind]


KINDS = {
    "KITTI": ((), 1.0),
    "0 to 255": ((), 255.0),
    "nuScenes": (("ring",), 255.0),
    "Lyft": (("nothing",), 255.0),
    "with time": (("seconds",), 1.0),
    "Waymo": (("elongation", "no zone"), 1.0),
    "ring and time": (("ring", "nanoseconds"), 255.0),
    "seven": (("ring", "seconds", "elongation"), 1.0),
    "eight": (("ring", "seconds", "elongation", "nothing"), 255.0),
}


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_values_of_a_point_is_found(kind: str, shuffled: bool) -> None:
    names, scale = KINDS[kind]
    rng = np.random.default_rng(3)
    cloud = street(COUNT) * np.array([1, 1, 1, scale], np.float32)
    rows = np.column_stack([cloud, *(extra(name, rng) for name in names)]).astype(np.float32)
    rows = rng.permutation(rows) if shuffled else rows
    assert guess_columns(rows.ravel()) == name_columns(4 + len(names))


def test_coordinates_alone_are_found() -> None:
    assert guess_columns(street(COUNT)[:, :3].ravel()) == ("x", "y", "z")


@needs_shared_data
def test_real_clouds_are_what_they_are() -> None:
    for path in sorted((SHARED_KITTI / "training" / "velodyne").glob("*.bin")):
        values = np.fromfile(path, np.float32)
        assert guess_columns(values) == KITTI
        rows = values.reshape(-1, 4)[: len(values) // 16 * 4]
        ring = np.arange(len(rows), dtype=np.float32)[:, None] % 64
        assert guess_columns(np.hstack([rows, ring]).ravel()) == name_columns(5)


@pytest.mark.parametrize("count", [4096, 4100, 4001])
def test_noise_is_nothing_certain(count: int) -> None:
    assert guess_columns(np.random.default_rng(0).normal(0, 10, count).astype(np.float32)) is None


def test_a_few_points_are_kitti_s_where_they_can_be() -> None:
    assert guess_columns(np.zeros(0, np.float32)) == KITTI
    assert guess_columns(np.ones(20, np.float32)) == KITTI
    assert guess_columns(np.ones(15, np.float32)) is None


def test_columns_are_told_by_their_number_or_their_names() -> None:
    assert parse_columns("5") == ("x", "y", "z", "intensity", "value5")
    assert parse_columns("3") == ("x", "y", "z")
    assert parse_columns("t, x,y ,z,reflectance") == ("t", "x", "y", "z", "reflectance")
    rows = np.arange(10, dtype=np.float32).reshape(2, 5)
    assert take_columns(rows, parse_columns("t, x,y ,z,reflectance")).tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]
    assert take_columns(rows, parse_columns("a,z,y,x,b")).tolist() == [[3, 2, 1, 0], [8, 7, 6, 0]]


@pytest.mark.parametrize("text", ["2", "33", "x,y", "x,y,z,z", "", "-5", "x;y;z"])
def test_columns_that_are_none_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match="columns: "):
        parse_columns(text)
