# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov inspect` as a person and a program call it."""

from __future__ import annotations

import importlib
import inspect as standard
import json
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.bundle import CONFIG_NAME
from test.model.float_bundle import save_float_bundle
from test.shared_data import KITTI_CAR, needs_shared_data

Capture = pytest.CaptureFixture[str]
MACS = {"first": 8 * 12 * 8 * 8 * 9, "second": 8 * 12 * 8 * 8 * 9, "heads": 8 * 12 * 8 * 3 * (7 + 2 + 2)}
"""Multiply-adds of the toy RPN: 8 x 12 cells of 3 anchors, 8 channels throughout."""


def inspect(*arguments: object) -> int:
    return cli.main(["inspect", *map(str, arguments)])


def test_the_command_hides_no_module_of_python() -> None:
    tool = importlib.import_module("pointpillars_ov_ros.cli.model.inspect_command")
    assert tool is not standard
    assert callable(standard.signature)


def test_a_bundle_is_described_in_words(tmp_path: Path, capsys: Capture) -> None:
    folder = save_float_bundle(tmp_path, to_f16=True).folder
    assert inspect(folder) == 0
    printed = capsys.readouterr().out
    facts = {line[:11].strip(): line[13:] for line in printed.split("\n\n")[0].splitlines()}
    assert facts["bundle"] == str(folder)
    assert facts["name"] == "tiny"
    assert facts["classes"] == "Car, Pedestrian"
    assert facts["range"] == "x 0 to 3.84, y -1.6 to 1.6, z -3 to 1 m"
    assert facts["grid"] == "16 x 24 pillars (y, x) of 0.16 x 0.2 m"
    assert facts["pillars"] == "at most 60, of at most 5 points"
    assert facts["output"] == "8 x 12 cells (y, x) of 3 anchors"
    assert facts["anchor mask"] == "over more than 1 occupied pillars"
    assert facts["sensor"] == "1.73 m above the ground, intensity 0 to 1"
    assert facts["provenance"] == "made up"
    assert facts["licence"] == "not stated"
    assert facts["hashes"] == "4 files match bundle.yaml (sha256)"
    words = [line.split() for line in printed.splitlines()]
    assert ["Pedestrian", "0.29", "x", "0.23", "x", "0.43", "-1.5", "0.3"] in words
    assert ["layers", "5", "f16", "(not", "quantized)"] in words
    assert ["input", "canvas:", "1", "x", "8", "x", "16", "x", "24", "f32"] in words
    assert ["output", "boxes:", "1", "x", "8", "x", "12", "x", "21", "f32"] in words
    weights = 2 * 8 * 8 * 9 + 8 * 3 * 11
    total = f"{sum(MACS.values()) / 1e9:.3f}"
    assert ["Convolution", "f16", "5", str(weights), "f16", f"{2 * weights / 1e6:.3f}", total] in words


def test_every_layer_is_listed_where_that_is_asked_for(tmp_path: Path, capsys: Capture) -> None:
    assert inspect(save_float_bundle(tmp_path).folder, "--layers") == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    macs = f"{MACS['second'] / 1e9:.3f}"
    assert ["second", "Convolution", "f32", "576", "f32", "0.002", macs] in words
    assert ["head", "of", "boxes", "Convolution", "f32", "168", "f32", "0.001", "0.000"] in words


def test_programs_get_all_of_it_as_json(tmp_path: Path, capsys: Capture) -> None:
    bundle = save_float_bundle(tmp_path)
    assert inspect(bundle.folder, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["hashes_verified"] is True
    assert document["config"]["sha256"] == dict(bundle.config.sha256)
    assert document["config"]["sensor"] == {"height": 1.73, "intensity_max": 1.0, "beams": 0}
    rpn = document["networks"]["rpn"]
    assert (rpn["macs"], rpn["flops"]) == (sum(MACS.values()), 2 * sum(MACS.values()))
    assert rpn["bytes"] == sum(bundle.path(name).stat().st_size for name in ("rpn.xml", "rpn.bin"))
    assert rpn["inputs"] == [{"name": "canvas", "shape": "1 x 8 x 16 x 24", "kind": "f32"}]
    assert {layer["name"]: layer["macs"] for layer in rpn["layers"]}["first"] == MACS["first"]
    assert rpn["is_quantized"] is False


def refusal(capture: Capture, folder: Path) -> str:
    assert inspect(folder) == 1
    printed = capture.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize("name", ["rpn.bin", "pfe.xml"])
def test_a_file_that_is_cut_off_is_one_sentence(tmp_path: Path, capsys: Capture, name: str) -> None:
    bundle = save_float_bundle(tmp_path)
    bundle.path(name).write_bytes(bundle.path(name).read_bytes()[:-50])
    message = refusal(capsys, bundle.folder)
    assert message.startswith(f"{bundle.path(name)} is not the file that {CONFIG_NAME} describes (sha256 ")


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path, capsys: Capture, exists: bool) -> None:
    folder = tmp_path if exists else tmp_path / "absent"
    assert refusal(capsys, folder).startswith(f"{folder} holds no {CONFIG_NAME}")


@needs_shared_data
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_bare_pair_is_described_and_its_hashes_are_no_proof(capsys: Capture, flags: list[str]) -> None:
    assert inspect(KITTI_CAR, *flags) == 0
    printed = capsys.readouterr()
    assert "treated as smallmunich_car" in printed.err
    if flags:
        document = json.loads(printed.out)
        assert document["hashes_verified"] is False
        assert document["networks"]["rpn"]["precision"] == "22 INT8"
    else:
        assert "not verified: there is no bundle.yaml" in printed.out
        assert "33.10 G multiply-adds, 66.21 GFLOPs" in printed.out
        assert "22 INT8 (quantized)" in printed.out
