# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks in the box: whole, small, and able to detect in streets that they were not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.conversion.inspection import inspect_bundle
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.matching import match_by_distance
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.ros.shipped import DEFAULT, SHIPPED, shipped_model
from pointpillars_ov_ros.synthetic import SimulatedFrame, load_sensor, simulate

SOURCES = Path(__file__).resolve().parents[2] / "models"
HELD_OUT = range(2**31, 2**31 + 4)
"""Seeds that training never draws: its own are below."""


@pytest.fixture(scope="module")
def streets() -> list[SimulatedFrame]:
    sensor = load_sensor("hdl_64e")
    return [simulate(sensor, seed) for seed in HELD_OUT]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_installed_and_says_what_it_is(name: str) -> None:
    bundle = load_bundle(shipped_model(name))
    assert bundle.config.name == name.removesuffix("_fp16")
    assert bundle.config.classes == ("Car", "Pedestrian", "Cyclist")
    assert bundle.config.licence == "Apache-2.0"
    assert "trained by `pointpillars_ov train" in bundle.config.provenance and "seed" in bundle.config.provenance
    assert inspect_bundle(bundle).networks["rpn"].is_quantized is (name == DEFAULT)


def test_all_of_them_are_named_and_small() -> None:
    assert sorted(path.name for path in SOURCES.iterdir() if path.is_dir()) == sorted(SHIPPED)
    assert sum(path.stat().st_size for path in SOURCES.rglob("*") if path.is_file()) <= 16e6


@pytest.mark.parametrize("name", SHIPPED)
def test_it_finds_cars_in_streets_it_has_not_seen(name: str, streets: list[SimulatedFrame]) -> None:
    engine = Engine(load_bundle(shipped_model(name)), RuntimeConfig())
    found = missed = false = 0
    for frame in streets:
        detections = engine.slots[0].detect(frame.points.copy(), engine.settings).above(0.5)
        cars, others = near_cars(frame)
        tally = match_by_distance(detections.boxes[detections.labels == 0], cars, others)
        found, missed, false = found + tally.found, missed + tally.missed, false + tally.false
    assert found >= 0.7 * (found + missed) and found >= 0.9 * (found + false), (found, missed, false)


def near_cars(frame: SimulatedFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give the cars that can be seen well, and what may be taken for such a car or overlooked."""
    labels = frame.labels
    x, y = labels.boxes[:, 0], labels.boxes[:, 1]
    wanted = np.array([name == "Car" for name in labels.names]) & (x > 3) & (x < 35) & (np.abs(y) < 20)
    wanted &= labels.points >= 50
    return labels.boxes[wanted], labels.boxes[~wanted]
