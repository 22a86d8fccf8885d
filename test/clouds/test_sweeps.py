# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Past clouds moved into the newest one's frame, as geometry has it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.points import PointBuffers
from pointpillars_ov_ros.clouds.sweeps import Sweeps
from pointpillars_ov_ros.clouds.transform import Transform

STEP_NS = 100_000_000
PLACES = [Transform.from_pose(2.0 * k, 0.5 * k, 0.1 * k, 0.01 * k, -0.02 * k, 0.3 * k) for k in range(8)]


def clouds() -> list[np.ndarray]:
    """Return a robot's clouds of static objects, each in its own frame; the intensity is the cloud's number."""
    seen = []
    for number, T_odom_cloud in enumerate(PLACES):
        points = np.array([(20.0, 3.0, -1.0, 0), (-5.0, 7.0, 0.5, 0), (0.0, 30.0, 2.0, 0)], np.float32)
        T_odom_cloud.inverse.move(points)
        points[:, 3] = number
        seen.append(points)
    return seen


@pytest.mark.parametrize("count", [2, 3, 10])
def test_what_stands_is_where_the_newest_cloud_has_it_and_the_newest_comes_first(count: int) -> None:
    sweeps = Sweeps(count, 10.0, PointBuffers())
    for number, (points, place) in enumerate(zip(clouds(), PLACES, strict=True)):
        joined = sweeps.join(points, place, number * STEP_NS)
        kept = min(count, number + 1)
        assert len(joined) == 3 * kept
        assert joined[::3, 3].tolist() == [number - k for k in range(kept)]
        for k in range(kept):
            np.testing.assert_allclose(joined[3 * k : 3 * k + 3, :3], points[:, :3], atol=1e-4)


def test_clouds_are_not_changed_by_being_joined() -> None:
    sweeps, before = Sweeps(4, 10.0, PointBuffers()), clouds()
    for number, points in enumerate(given := clouds()):
        sweeps.join(points, PLACES[number], number * STEP_NS)[:] = -1.0
    for points, as_it_was in zip(given, before, strict=True):
        np.testing.assert_array_equal(points, as_it_was)


@pytest.mark.parametrize(("age_s", "kept"), [(0.0, 1), (0.05, 1), (0.1, 2), (0.25, 3)])
def test_older_clouds_than_wanted_are_left_out(age_s: float, kept: int) -> None:
    sweeps = Sweeps(5, age_s, PointBuffers())
    sizes = [len(sweeps.join(points, PLACES[n], n * STEP_NS)) for n, points in enumerate(clouds())]
    assert sizes[-1] == 3 * kept


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_after_a_jump_of_the_clock_it_begins_anew(jump_s: int) -> None:
    sweeps, given = Sweeps(5, 0.5, PointBuffers()), clouds()
    for number in range(3):
        sweeps.join(given[number], PLACES[number], 10**13 + number * STEP_NS)
    assert len(sweeps.join(given[3], PLACES[3], 10**13 + jump_s * 10**9)) == 3


def test_a_cloud_that_comes_a_little_late_is_joined_too() -> None:
    sweeps, given = Sweeps(3, 0.5, PointBuffers()), clouds()
    sizes = [len(sweeps.join(given[n], PLACES[n], at)) for n, at in enumerate((100, 90, 110))]
    assert sizes == [3, 6, 9]


def test_nothing_large_is_allocated_once_it_runs() -> None:
    buffers = PointBuffers()
    sweeps, rng = Sweeps(3, 10.0, buffers), np.random.default_rng(1)
    peaks = []
    tracemalloc.start()
    try:
        for number in range(30):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            points = buffers.borrow(20_000 + int(rng.integers(2000)))
            sweeps.join(points, PLACES[number % 8], number * STEP_NS)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert max(peaks[:5]) > 64 * 1024
    assert max(peaks[15:]) < 64 * 1024
