# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`compare` as a person runs it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.bundle import write_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from test.inference.toy_bundle import save_toy_bundle
from test.shared_data import KITTI, KITTI_CAR, needs_shared_data


def compare(*arguments: object) -> int:
    return cli.main(["compare", *map(str, arguments)])


def scores_of(report: dict[str, Any]) -> dict[tuple[str, str, str], float | None]:
    return {(c["class"], c["metric"], c["difficulty"]): c["AP R40 (%)"] for c in report["curves"]}


@needs_shared_data
def test_a_line_for_each_precision_that_scores_as_evaluate_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, alone = tmp_path / "out" / "report.json", tmp_path / "alone.json"
    frames = ["--data", KITTI, "--frames", 3, "--encoder", "host"]
    precisions = ["--precision", "f32", "default", "f32"]
    assert compare("--model", KITTI_CAR, *precisions, *frames, "--repeat", 1, "--json", report) == 0
    lines = capsys.readouterr().out.splitlines()
    candidates = json.loads(report.read_text())["candidates"]
    assert [candidate["asked"] for candidate in candidates] == ["f32", "default"]
    (row,) = [line for line in lines if line.startswith("kitti_car  ") and "INT8 + f32" in line and " f32 " in line][:1]
    assert " 1.000 " in row, "compared with itself"
    for candidate in candidates:
        # Both networks as shipped: 4.8 MB of INT8 weights, 0.3 MB of PFE, and the graphs.
        assert 5.0 < candidate["size_mb"] < 5.6
        assert candidate["latency_ms"]["p50"] > 0
        assert candidate["RPN runs in"].startswith("INT8 + ")
    command = ["evaluate", "--model", KITTI_CAR, *frames, "--precision", "f32", "--json", alone]
    assert cli.main([str(word) for word in command]) == 0
    assert scores_of(candidates[0]) == scores_of(json.loads(alone.read_text()))


def test_without_labels_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "clouds"
    data.mkdir()
    (data / "000000.bin").write_bytes(bytes(16))
    assert compare("--model", save_toy_bundle(tmp_path / "toy").folder, "--data", data) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and str(data) in text and "labels" in text


@pytest.mark.parametrize("flags", [[], ["--model", "m"]])
def test_frames_are_needed(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*flags) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "--data" in text


def test_models_of_other_classes_are_compared_by_those_that_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from test.cli.evaluate.test_files import write_set

    toy, report = save_toy_bundle(tmp_path / "toy").folder, tmp_path / "report.json"
    data = write_set(tmp_path / "data")
    arguments = ("--data", data, "--repeat", 1, "--encoder", "openvino", "--json", report)
    assert compare("--model", shipped_model(), toy, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "left out: Cyclist of streets_int8, which not all models detect" in lines
    (header,) = (line for line in lines if line.startswith("model "))
    assert "Car 3D" in header and "Pedestrian BEV" in header and "Cyclist" not in header
    for candidate in json.loads(report.read_text())["candidates"]:
        assert {curve["class"] for curve in candidate["curves"]} == {"Car", "Pedestrian"}


def test_models_that_share_no_class_are_refused_before_anything_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from test.cli.evaluate.test_files import write_set

    toy = save_toy_bundle(tmp_path / "toy")
    anchors = tuple(dataclasses.replace(anchor, class_name="Tram") for anchor in toy.config.anchors)
    files = {name: toy.path(name) for name in toy.config.sha256}
    other = write_bundle(dataclasses.replace(toy.config, anchors=anchors), files, tmp_path / "tram")
    assert compare("--model", toy.folder, other.folder, "--data", write_set(tmp_path / "data")) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: the models have no KITTI class in common (bundle: Car, Pedestrian; tram: none), so they cannot be "
        "compared in one table: `pointpillars_ov evaluate` scores each on its own\n"
    )
