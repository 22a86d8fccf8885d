# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples: crops, and their order, which does not depend on who makes them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError, TrainingError
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.training.augmentation import NO_AUGMENTATION
from pointpillars_ov_ros.training.feed import feed_samples, fill_bank
from pointpillars_ov_ros.training.samples import (
    Sample,
    SampleMaker,
    Window,
    choose_window,
    crop_grid,
    decorate_pillars,
    make_sample,
)
from pointpillars_ov_ros.training.scenes import LabelledScene
from pointpillars_ov_ros.training.settings import TrainingSettings, choose_architecture, configure
from pointpillars_ov_ros.training.targets import Assigner
from test.builders import grouped
from test.reference.pointpillars import decorate
from test.training.scenes import SETTINGS, TinyScenes, trainable_config

CONFIG = trainable_config()
WHOLE = Window(0, 0, CONFIG.grid.nx, CONFIG.grid.ny)


def maker(**changes) -> SampleMaker:
    settings = dataclasses.replace(SETTINGS, **changes)
    source = TinyScenes()
    return SampleMaker(CONFIG, source, settings, fill_bank(source, settings, 2, 0), 4)


def assert_same(a: Sample, b: Sample) -> None:
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_crop_is_the_same_part_of_the_whole() -> None:
    scene, assigner = TinyScenes().scene(3), Assigner(CONFIG)
    whole = make_sample(*scene, CONFIG, assigner, WHOLE)
    window = Window(8, 12, 24, 16)
    part = make_sample(*scene, CONFIG, assigner, window)
    rows, columns = CONFIG.output_shape
    labels = whole.labels.reshape(rows, columns, -1)[6:14, 4:16]
    np.testing.assert_array_equal(part.labels, labels.reshape(-1))
    at = {(cell // WHOLE.columns, cell % WHOLE.columns): k for k, cell in enumerate(whole.cells)}
    assert len(part.cells) > 20
    for k, cell in enumerate(part.cells):
        twin = at[cell // 24 + 12, cell % 24 + 8]
        points, expected = part.decorated[part.owners == k], whole.decorated[whole.owners == twin]
        np.testing.assert_allclose(points, expected, atol=1e-5)
        assert part.is_full[k] == whole.is_full[twin]


def test_points_are_decorated_as_the_slow_twin_does() -> None:
    grid = CONFIG.grid
    pillars = grouped(TinyScenes().scene(4).points, grid)
    decorated, owners = decorate_pillars(pillars, grid)
    counts = np.diff(pillars.starts[: pillars.size + 1])
    voxels = np.zeros((pillars.size, grid.max_points_per_pillar, 4), np.float32)
    slots = np.concatenate([np.arange(count) for count in counts])
    voxels[owners, slots] = pillars.points[: len(owners)]
    expected = decorate(voxels, counts, pillars.coords[: pillars.size], grid)[owners, slots, :9]
    np.testing.assert_allclose(decorated, expected, atol=1e-5)


def test_windows_are_aligned_within_the_canvas_and_mostly_show_an_object() -> None:
    random, hits = np.random.default_rng(0), 0
    boxes = np.array([[7.6, -2.5, 0, 1, 1, 1, 0]], np.float32)
    for _ in range(200):
        window = choose_window(CONFIG.grid, (16, 16), boxes, 4, random)
        assert window.column % 4 == 0 and 0 <= window.column <= CONFIG.grid.nx - 16
        assert window.row % 4 == 0 and 0 <= window.row <= CONFIG.grid.ny - 16
        grid = crop_grid(CONFIG.grid, window)
        assert (grid.nx, grid.ny) == (16, 16)
        hits += grid.x_range[1] > 7.6 and grid.y_range[0] < -2.5
    assert hits >= 120


def test_objects_with_few_points_are_no_targets() -> None:
    scene = TinyScenes().scene(6)
    whole = maker(crop=(0, 0), augmentation=NO_AUGMENTATION)
    assert len(whole.cut(scene, 0, 0).positives) > 0
    assert len(whole.cut(scene._replace(points=scene.points[180:]), 0, 0).positives) == 0


def test_objects_beside_the_canvas_are_no_targets() -> None:
    scene = TinyScenes().scene(6)
    shift = np.array([7.75 - scene.boxes[2, 0], 0.0, 0.0], np.float32)
    boxes, points = scene.boxes[2:].copy(), scene.points.copy()
    boxes[:, :3] += shift
    points[:, :3] += shift
    whole = maker(crop=(0, 0), augmentation=NO_AUGMENTATION)
    assert len(whole.cut(LabelledScene(points, boxes, scene.labels[2:]), 0, 0).positives) == 0
    boxes[:, 0] -= 0.2
    points[:, 0] -= 0.2
    assert len(whole.cut(LabelledScene(points, boxes, scene.labels[2:]), 0, 0).positives) > 0


def test_samples_depend_on_seed_and_number_alone() -> None:
    first, again, other = maker().make(3), maker().make(3), maker(seed=6).make(3)
    for a, b in zip(first, again, strict=True):
        assert_same(a, b)
    assert not np.array_equal(first[0].cells, other[0].cells)
    assert not np.array_equal(first[0].cells, first[1].cells)


@pytest.mark.parametrize("first", [1, 2])
def test_a_feed_begun_later_goes_on_as_the_one_begun_at_once(first: int) -> None:
    all_steps = list(islice(feed_samples(maker(), 0, 0), 5))
    for a, b in zip(all_steps[first:], islice(feed_samples(maker(), first, 0), 5 - first), strict=True):
        assert len(a) == SETTINGS.batch
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)


def test_worker_processes_give_the_same_in_the_same_order() -> None:
    feed = feed_samples(maker(), 0, 2)
    for a, b in zip(islice(feed, 5), feed_samples(maker(), 0, 0), strict=False):
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    feed.close()


class DeadlyScenes(TinyScenes):
    """Ends the process that asks for a scene."""

    def scene(self, seed: int) -> LabelledScene:
        os._exit(3)


def test_a_worker_that_dies_ends_the_feed_with_one_sentence() -> None:
    made = maker(bank_scenes=0)
    made.source = DeadlyScenes()
    with pytest.raises(TrainingError, match="a process that makes samples died"):
        next(feed_samples(made, 0, 1))


def test_workers_leave_when_their_parent_is_killed() -> None:
    script = """
import multiprocessing, os, signal
from test.training.test_samples import feed_samples, maker
if __name__ == "__main__":
    feed = feed_samples(maker(), 0, 2)
    next(feed)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        # Read to its end, which comes when the last of the workers, who have it open too, is gone.
        children = process.stdout.read().split()
    assert len(children) == 2
    assert not any(Path(f"/proc/{child}/cwd").exists() for child in children)


def test_crops_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"crop: \[18, 16\] is not multiples of 4 up to 48 columns, 32 rows"):
        maker(crop=(18, 16))
    with pytest.raises(ConfigError, match="crop"):
        maker(crop=(64, 16))


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("learning_rate", 0.0), ("minutes", float("inf"))])
def test_settings_out_of_bounds_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        TrainingSettings(**{name: value})


def test_the_network_follows_the_height_of_the_sensor_and_the_width() -> None:
    preset = read_preset("openpcdet_kitti_3class")
    config = configure(preset, 0.5, 2.23, "test")
    assert config.grid.z_range == (-3.5, 0.5)
    assert [anchor.bottom_z for anchor in config.anchors] == [-2.28, -1.1, -1.1]
    assert (config.sensor.height, config.sensor.beams) == (2.23, 64)
    assert configure(preset, 0.5, 2.23, "test", 16).sensor.beams == 16
    assert choose_architecture(config, 0.5).filters == (32, 64, 128)
    assert config.rpn.channels == 32
    assert configure(config, 1.0, None, "again").anchors == config.anchors
