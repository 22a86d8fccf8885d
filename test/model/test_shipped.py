# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bundled models: whole, small, and able to detect in streets that they were not trained on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.conversion.inspection import inspect_bundle
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.matching import match_by_distance
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.model.shipped import DEFAULT, SHIPPED, shipped_model
from pointpillars_ov_ros.synthetic import SimulatedFrame, load_sensor, simulate

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLES = REPOSITORY / "pointpillars_ov_ros" / "model" / "bundles"
HELD_OUT = range(2**31, 2**31 + 12)
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
    assert sorted(path.name for path in BUNDLES.iterdir()) == sorted(SHIPPED)
    assert sum(path.stat().st_size for path in BUNDLES.rglob("*") if path.is_file()) <= 16e6


@pytest.mark.parametrize("name", SHIPPED)
def test_the_path_that_the_documents_name_leads_to_it(name: str) -> None:
    assert (REPOSITORY / "models" / name).resolve() == shipped_model(name).resolve()


def test_another_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BundleError, match=r"^'streets' is not a bundled model; available: streets_fp16, streets_int8$"):
        shipped_model("streets")


def test_it_is_found_where_there_is_no_ros() -> None:
    ask = "from pointpillars_ov_ros.model.shipped import shipped_model; import sys; "
    ask += "assert 'ament_index_python' not in sys.modules; print(shipped_model())"
    found = subprocess.run([sys.executable, "-c", ask], cwd=REPOSITORY, env={}, capture_output=True, text=True)
    assert (found.stderr, Path(found.stdout.strip())) == ("", shipped_model())


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
    """Return the cars that can be seen well, and what may be taken for such a car or overlooked."""
    labels = frame.labels
    x, y = labels.boxes[:, 0], labels.boxes[:, 1]
    wanted = np.array([name == "Car" for name in labels.names]) & (x > 3) & (x < 35) & (np.abs(y) < 20)
    wanted &= labels.points >= 50
    return labels.boxes[wanted], labels.boxes[~wanted]
