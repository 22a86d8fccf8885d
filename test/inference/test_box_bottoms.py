# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bottoms of boxes by the ground around them: which engines do so, and how much better the heights are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import BottomChoice, RuntimeConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.api import Detector
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.synthetic import SimulatedFrame, load_sensor, simulate

HELD_OUT = range(2**31, 2**31 + 8)
"""Seeds that training never draws."""


@pytest.fixture(scope="module")
def streets() -> list[SimulatedFrame]:
    sensor = load_sensor("hdl_64e")
    return [simulate(sensor, seed) for seed in HELD_OUT]


def found_by(bottoms: str, streets: list[SimulatedFrame], raised: float) -> list[Detections]:
    """Return what is found if the sensor is mounted `raised` (m) higher than the network expects."""
    low = np.array([0, 0, raised, 0], np.float32)
    with Detector(box_bottoms=bottoms, score_threshold=0.4) as detector:
        return [detector(frame.points - low) for frame in streets]


def height_errors(found: list[Detections], streets: list[SimulatedFrame], raised: float) -> np.ndarray:
    """Return the errors of the bottoms of cars found that have many points (m)."""
    errors = []
    for detections, frame in zip(found, streets, strict=True):
        is_car = np.array([name == "Car" for name in frame.labels.names])
        truth = frame.labels.boxes[is_car & (frame.labels.points >= 50)]
        for box in detections.boxes[detections.labels == 0]:
            apart = np.hypot(*(truth[:, :2] - box[:2]).T)
            if len(truth) and apart.min() < 0.5:
                real = truth[apart.argmin()]
                errors.append((box[2] - box[5] / 2) - (real[2] - real[5] / 2 - raised))
    return np.array(errors)


@pytest.mark.parametrize(("raised", "share"), [(0.0, 0.8), (0.2, 0.6)])
def test_heights_are_better_than_the_networks(raised: float, share: float, streets: list[SimulatedFrame]) -> None:
    by_network, by_ground = (found_by(bottoms, streets, raised) for bottoms in ("network", "ground"))
    for one, other in zip(by_network, by_ground, strict=True):
        assert np.array_equal(np.delete(one.boxes, 2, 1), np.delete(other.boxes, 2, 1))
        assert np.array_equal(one.scores, other.scores) and np.array_equal(one.labels, other.labels)
    before, after = (np.abs(height_errors(found, streets, raised)) for found in (by_network, by_ground))
    assert len(before) >= 20
    assert np.median(after) < share * np.median(before), (np.median(before), np.median(after))
    assert np.median(after) < 0.04


@pytest.mark.parametrize(
    ("clearance", "choice", "moves"),
    [
        (None, BottomChoice.MODEL, False),
        (0.1, BottomChoice.MODEL, True),
        (0.1, BottomChoice.NETWORK, False),
        (None, BottomChoice.GROUND, True),
    ],
)
def test_the_bundle_decides_unless_the_user_does(
    clearance: float | None, choice: BottomChoice, moves: bool, streets: list[SimulatedFrame]
) -> None:
    bundle = load_bundle(shipped_model())
    config = bundle.config
    bundle = replace(
        bundle, config=replace(config, postprocess=replace(config.postprocess, ground_clearance=clearance))
    )
    points = streets[0].points
    plain = Engine(bundle, RuntimeConfig(box_bottoms=BottomChoice.NETWORK))
    engine = Engine(bundle, RuntimeConfig(box_bottoms=choice))
    expected, found = (one.slots[0].detect(points.copy(), one.settings) for one in (plain, engine))
    assert len(found) > 3 and np.array_equal(found.scores, expected.scores)
    assert np.array_equal(found.boxes, expected.boxes) is not moves
