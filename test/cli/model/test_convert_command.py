# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`convert` as a command: what it takes for what, what it says of it, and that it leaves nothing half done."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, load_bundle
from test.conversion.checkpoints import PROJECTS, SIZES, openpcdet_state, save_checkpoint, small_config
from test.conversion.onnx_files import random_pfe, random_rpn, save_pfe, save_rpn
from test.conversion.torch_files import Call, Global, save_zip

Capture = pytest.CaptureFixture[str]


def write_config(folder: Path) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(to_mapping(small_config())))
    return path


def save_small(project: str, folder: Path) -> Path:
    """Write a small checkpoint whose points have nine values."""
    return save_checkpoint(project, folder / "a.pth", dataclasses.replace(SIZES, point_features=9))


def convert(*arguments: object) -> int:
    return cli.main(["convert", *(str(argument) for argument in arguments)])


def failure(capsys: Capture, *arguments: object) -> str:
    """Run the command, check that it fails in one line and prints nothing else; return the line."""
    assert convert(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("fp16", [False, True], ids=["f32", "f16"])
def test_a_checkpoint_becomes_a_bundle_and_what_was_assumed_is_said(
    tmp_path: Path, capsys: Capture, project: str, fp16: bool
) -> None:
    config = write_config(tmp_path)
    path = save_small(project, tmp_path)
    assert convert(path, tmp_path / "bundle", "--config", config, *(["--fp16"] if fp16 else [])) == 0
    assert load_bundle(tmp_path / "bundle").config.classes == ("Car", "Pedestrian", "Cyclist")
    text = capsys.readouterr().out
    assert all(word in text for word in (str(config), "epsilon 0.001", "angle as yaw", "Cyclist", "at most 90"))


def test_of_two_copies_of_the_weights_one_is_named_and_the_flag_takes_the_other(
    tmp_path: Path, capsys: Capture
) -> None:
    config, state = write_config(tmp_path), openpcdet_state()
    content = {"model_state": state, "model_ema": {key: value * 2 for key, value in state.items()}}
    path = save_zip(content, tmp_path / "a.pth")
    assert convert(path, tmp_path / "main", "--config", config) == 0
    printed = capsys.readouterr().out
    assert "those in 'model_state'; the averaged copy in 'model_ema' is ignored (see --weights averaged)" in printed
    assert convert(path, tmp_path / "averaged", "--config", config, "--weights", "averaged") == 0
    assert "the averaged ones in 'model_ema'" in capsys.readouterr().out
    main, averaged = (load_bundle(tmp_path / name).config.sha256["rpn.bin"] for name in ("main", "averaged"))
    assert main != averaged
    text = failure(capsys, tmp_path / "main", tmp_path / "again", "--weights", "averaged")
    assert "is no checkpoint, so there is nothing that --weights could choose from" in text


def test_onnx_files_become_a_bundle(tmp_path: Path, capsys: Capture) -> None:
    config, source = read_preset("smallmunich_car"), tmp_path / "onnx"
    source.mkdir()
    save_pfe(source / "kitti_pfe.onnx", config, random_pfe(config, "convolution"))
    save_rpn(source / "kitti_rpn.onnx", config, random_rpn(config), {"184": "box"})
    assert convert(source, tmp_path / "bundle") == 0
    assert load_bundle(tmp_path / "bundle").config.rpn.boxes == "box"
    text = capsys.readouterr().out
    assert "preset smallmunich_car: the only one" in text
    assert "tensor 'box' is taken for '184', by its shape" in text


def test_name_and_licence_can_be_said(tmp_path: Path, capsys: Capture) -> None:
    source, target = save_small("mmdet", tmp_path), tmp_path / "bundle"
    assert convert(source, target, "--config", write_config(tmp_path), "--name", "mine", "--licence", "CC0-1.0") == 0
    config = load_bundle(target).config
    assert (config.name, config.licence) == ("mine", "CC0-1.0")
    assert f"{target}: mine with" in capsys.readouterr().out


def test_a_bundle_becomes_one_of_half_the_size_and_ir_files_one_again(tmp_path: Path, capsys: Capture) -> None:
    convert(save_small("mmdet", tmp_path), tmp_path / "first", "--config", write_config(tmp_path))
    assert convert(tmp_path / "first", tmp_path / "second", "--fp16") == 0
    sizes = [(tmp_path / name / "rpn.bin").stat().st_size for name in ("first", "second")]
    assert sizes[1] < 0.6 * sizes[0]
    (tmp_path / "second" / CONFIG_NAME).unlink()
    assert convert(tmp_path / "second", tmp_path / "third", "--config", write_config(tmp_path)) == 0
    assert load_bundle(tmp_path / "third").config.classes == small_config().classes
    capsys.readouterr()


def test_a_bundle_in_the_way_is_replaced_by_a_good_one_only(tmp_path: Path, capsys: Capture) -> None:
    config, path = write_config(tmp_path), save_small("openpcdet", tmp_path)
    assert convert(path, tmp_path / "bundle", "--config", config) == 0
    before = load_bundle(tmp_path / "bundle")
    capsys.readouterr()
    path.write_bytes(path.read_bytes()[:-2000])
    assert "truncated" in failure(capsys, path, tmp_path / "bundle", "--config", config)
    assert load_bundle(tmp_path / "bundle") == before


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, capsys: Capture) -> None:
    content = {"model_state": openpcdet_state(), "hook": Call(Global("os", "system"), f"touch {tmp_path / 'owned'}")}
    path = save_zip(content, tmp_path / "a.pth")
    assert "'os.system'" in failure(capsys, path, tmp_path / "bundle", "--config", write_config(tmp_path))
    assert {item.name for item in tmp_path.iterdir()} == {"a.pth", "small.yaml"}


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, capsys: Capture) -> None:
    path = save_zip({"conv1.weight": random_rpn(small_config())["backbone"]}, tmp_path / "a.pth")
    assert "'conv1.weight'" in failure(capsys, path, tmp_path / "bundle")


def test_without_a_configuration_a_small_checkpoint_is_held_against_the_published_one(
    tmp_path: Path, capsys: Capture
) -> None:
    assert "has shape" in failure(capsys, save_small("mmdet", tmp_path), tmp_path / "bundle")


def test_a_truncated_onnx_is_named_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As a user sees it: output of OpenVINO's own code to stderr counts, too."""
    config, source = read_preset("smallmunich_car"), tmp_path / "onnx"
    source.mkdir()
    save_rpn(source / "rpn.onnx", config, random_rpn(config), {})
    pfe = save_pfe(source / "pfe.onnx", config, random_pfe(config, "convolution"))
    pfe.write_bytes(pfe.read_bytes()[:100_000])
    assert str(pfe) in failure(capfd, source, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("names", [("pfe.onnx",), ("pfe.onnx", "old_pfe.onnx", "rpn.onnx"), ("a.onnx", "b.onnx")])
def test_a_folder_whose_onnx_files_are_unclear_lists_them(
    tmp_path: Path, capsys: Capture, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    text = failure(capsys, tmp_path, tmp_path / "bundle")
    assert all(name in text for name in names)


def test_a_folder_with_both_kinds_of_graphs_is_refused(tmp_path: Path, capsys: Capture) -> None:
    for name in ("pfe.onnx", "rpn.onnx", "pfe.xml"):
        (tmp_path / name).touch()
    assert "both ONNX and IR" in failure(capsys, tmp_path, tmp_path / "bundle")


def test_the_preset_of_another_project_is_refused(tmp_path: Path, capsys: Capture) -> None:
    path = save_small("mmdet", tmp_path)
    text = failure(capsys, path, tmp_path / "bundle", "--preset", "openpcdet_kitti_3class")
    assert "zhulf0804" in text and "OpenPCDet" in text


def test_two_descriptions_are_one_too_many(tmp_path: Path, capsys: Capture) -> None:
    arguments = ("--preset", "smallmunich_car", "--config", tmp_path / "a.yaml")
    assert "--preset or --config" in failure(capsys, tmp_path, tmp_path / "bundle", *arguments)


def test_a_source_that_is_not_there_is_named(tmp_path: Path, capsys: Capture) -> None:
    assert "absent does not exist" in failure(capsys, tmp_path / "absent", tmp_path / "bundle")


def test_a_folder_without_networks_is_told_what_would_be_some(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "photos").mkdir()
    text = failure(capsys, tmp_path / "photos", tmp_path / "bundle")
    assert all(word in text for word in ("photos", "pfe.xml", "*rpn*.onnx"))


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "photos"
    target.mkdir()
    (target / "cat.jpg").write_text("purr")
    path = save_small("openpcdet", tmp_path)
    assert "left unchanged" in failure(capsys, path, target, "--config", write_config(tmp_path))
    assert [item.name for item in target.iterdir()] == ["cat.jpg"]
    shutil.rmtree(target)
