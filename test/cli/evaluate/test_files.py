# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov evaluate` on folders that are not quite KITTI's: what is read of them, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.kitti.calibration import read_calibration
from pointpillars_ov_ros.kitti.labels import format_label, lidar_boxes, read_labels
from test.clouds.cloud_files import street
from test.inference.toy_bundle import save_toy_bundle
from test.kitti.files import calibration_text
from test.kitti.scenes import an_object, dont_care

Capture = pytest.CaptureFixture[str]
CARS = [an_object("Car", (-4.0, 1.7, 15.0)), an_object("Car", (4.0, 1.7, 20.0))]
IDENTITY = "P2: 1 0 0 0 0 1 0 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 1 0 0 0 0 1 0 0 0 0 1 0\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_bundle(tmp_path_factory.mktemp("model")).folder


def write_set(folder: Path, labels: list[Any] = CARS, scale: float = 1.0, calibration: str = "") -> Path:
    """Write a set of one frame."""
    content = {
        "label_2/000000.txt": "".join(f"{format_label(label)}\n" for label in labels),
        "calib/000000.txt": calibration or calibration_text(),
    }
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "velodyne").mkdir()
    (street() * np.array([1, 1, 1, scale], np.float32)).tofile(folder / "velodyne" / "000000.bin")
    return folder


def evaluate(model: Path, folder: Path, *flags: str) -> dict[str, Any]:
    report = folder / "report.json"
    assert cli.main(["evaluate", "--model", str(model), "--data", str(folder), "--json", str(report), *flags]) == 0
    document: dict[str, Any] = json.loads(report.read_text())
    return document


def test_a_set_as_kitti_s_has_nothing_odd(model: Path, tmp_path: Path) -> None:
    notes = evaluate(model, write_set(tmp_path))["notes"]
    assert not [note for note in notes if "--" in note and "network's range" not in note]


def test_intensities_of_0_to_255_are_scaled_and_said(model: Path, tmp_path: Path) -> None:
    scaled, plain = evaluate(model, write_set(tmp_path / "a", scale=255.0)), evaluate(model, write_set(tmp_path / "b"))
    assert any("0 to 255" in note and "--intensity-scale" in note for note in scaled["notes"])
    assert scaled["curves"] == plain["curves"]


def test_an_identity_for_a_calibration_is_said(model: Path, tmp_path: Path) -> None:
    notes = evaluate(model, write_set(tmp_path, calibration=IDENTITY))["notes"]
    (note,) = (note for note in notes if "calib" in note)
    assert "000000.txt" in note and "is the identity" in note and "--no-crop" in note


def test_labels_without_2d_boxes_do_not_vanish_in_silence(model: Path, tmp_path: Path, capsys: Capture) -> None:
    flat = [label._replace(bbox=(0.0, 0.0, 0.0, 0.0)) for label in CARS]
    folder = write_set(tmp_path, labels=[*flat, dont_care((0.0, 0.0, 9.0, 9.0))])
    notes = evaluate(model, folder)["notes"]
    (note,) = (note for note in notes if "count at hard" in note)
    assert note == (
        "of 2 labelled Car none count at hard: 2 have an empty 2D box; --no-image-filter (with --data) scores BEV and "
        "3D of every one"
    )
    assert f"note: {note}" in capsys.readouterr().out
    document = evaluate(model, folder, "--no-image-filter")
    assert {(c["metric"], c["difficulty"]) for c in document["curves"]} == {("bev", "all"), ("3d", "all")}
    assert document["objects that count"]["Car"] == {"all": 2}
    assert not any("count at" in note for note in document["notes"])


def test_without_the_image_filter_perfect_boxes_are_all_found(tmp_path: Path) -> None:
    """Boxes of the labels in the lidar frame, there and back."""
    from pointpillars_ov_ros.kitti.counting import count_found
    from pointpillars_ov_ros.kitti.evaluation_data import pack_lidar_boxes
    from pointpillars_ov_ros.kitti.evaluation_rules import ANY_DIFFICULTY, CLASS_RULES

    folder = write_set(tmp_path)
    calibration = read_calibration(folder / "calib/000000.txt")
    boxes = lidar_boxes(read_labels(folder / "label_2/000000.txt"), calibration)
    both = [pack_lidar_boxes([boxes], [["Car", "Car"]], [np.array([0.9, 0.8], np.float32)]) for _ in range(2)]
    (count,) = count_found(both[0], both[1], CLASS_RULES[:1], [0.5], 0.7, ANY_DIFFICULTY)
    assert (count.found, count.missed, count.false) == (2, 0, 0)
