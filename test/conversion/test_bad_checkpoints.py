# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are not right: each is refused in a sentence that names the key, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.checkpoint_import import check_preset, describe_preset, import_checkpoint
from pointpillars_ov_ros.conversion.checkpoint_layouts import LAYOUTS
from pointpillars_ov_ros.conversion.openpcdet_config import Description
from test.conversion.checkpoints import PROJECTS, SIZES, Sizes, openpcdet_state, save_checkpoint, small_config
from test.conversion.torch_files import SAVERS, Call, Global, save_zip

every_project = pytest.mark.parametrize("project", PROJECTS)


def refusal(path: Path, description: Description | None = None) -> str:
    """Convert, expecting a failure; return the message, and check that nothing is left behind."""
    before = {item.name for item in path.parent.iterdir()}
    with pytest.raises(BundleError) as raised:
        import_checkpoint(path, path.parent / "bundle", description or Description(small_config(), None))
    assert {item.name for item in path.parent.iterdir()} == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


@every_project
def test_without_a_description_the_published_one_is_taken_and_checked(tmp_path: Path, project: str) -> None:
    """The small network is not the published one, and the sentence says what of it."""
    path = save_checkpoint(project, tmp_path / "a.pth")
    with pytest.raises(BundleError, match=r"key '.*' is missing|has shape"):
        import_checkpoint(path, tmp_path / "bundle")


KEYS = {
    "openpcdet": {
        "pillar": "vfe.pfn_layers.0.linear.weight",
        "norm": "vfe.pfn_layers.0.norm.running_var",
        "first": "backbone_2d.blocks.0.1.weight",
        "middle": "backbone_2d.blocks.1.4.weight",
        "deconvolution": "backbone_2d.deblocks.2.0.weight",
        "head": "dense_head.conv_box.weight",
        "bias": "dense_head.conv_dir_cls.bias",
    },
    "mmdet": {
        "pillar": "pillar_encoder.conv.weight",
        "norm": "pillar_encoder.bn.running_mean",
        "first": "backbone.multi_blocks.0.0.weight",
        "middle": "backbone.multi_blocks.1.3.weight",
        "deconvolution": "neck.decoder_blocks.1.0.weight",
        "head": "head.conv_cls.weight",
        "bias": "head.conv_reg.bias",
    },
}
every_key = pytest.mark.parametrize(("project", "key"), [(name, key) for name in KEYS for key in KEYS[name].values()])


def state_of(project: str) -> dict[str, np.ndarray]:
    return PROJECTS[project].state(dataclasses.replace(SIZES, point_features=9), 1)


@every_key
def test_a_missing_key_is_named(tmp_path: Path, project: str, key: str) -> None:
    state = state_of(project)
    del state[key]
    message = refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))
    assert f"key {key!r} is missing" in message


@every_key
@pytest.mark.parametrize("axis", [0, -1])
def test_an_odd_shape_is_named(tmp_path: Path, project: str, key: str, axis: int) -> None:
    """Sizes depend on one another, so either this tensor or the next does not fit."""
    state = state_of(project)
    state[key] = np.repeat(state[key], 2, axis=axis)
    message = refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))
    assert "has shape" in message or "no strides" in message


@every_key
def test_a_flattened_tensor_is_named(tmp_path: Path, project: str, key: str) -> None:
    state = state_of(project)
    state[key] = state[key].reshape(-1, 1)
    message = refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))
    assert f"key {key!r} has shape {state[key].shape}" in message


@every_key
def test_a_value_that_is_not_finite_is_named(tmp_path: Path, project: str, key: str) -> None:
    state = state_of(project)
    state[key].reshape(-1)[-1] = np.nan
    message = refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))
    assert f"key {key!r} has values that are not finite" in message


@every_project
def test_a_negative_variance_is_named(tmp_path: Path, project: str) -> None:
    state, key = state_of(project), next(key for key in state_of(project) if key.endswith("running_var"))
    state[key][0] = -1.0
    assert f"key '{key}' has negative" in refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))


@every_project
@pytest.mark.parametrize("key", ["point_head.weight", "dense_head.conv_iou.weight", "head.conv_iou.weight"])
def test_a_key_that_is_left_over_is_named(tmp_path: Path, project: str, key: str) -> None:
    state = {**state_of(project), key: np.zeros(3, np.float32)}
    message = refusal(save_checkpoint(project, tmp_path / "a.pth", state=state))
    assert f"key {key!r} does not belong to the architecture" in message


@pytest.mark.parametrize("name", [layout.preset for layout in LAYOUTS])
def test_a_network_of_other_sizes_than_the_preset_is_named(tmp_path: Path, name: str) -> None:
    project = "openpcdet" if name.startswith("openpcdet") else "mmdet"
    message = refusal(save_checkpoint(project, tmp_path / "a.pth"), describe_preset(name))
    assert "key '" in message


@pytest.mark.parametrize(
    "content",
    [
        {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32), "fc.bias": np.zeros(3, np.float32)},
        {"model_state": {"vfe.linear.weight": np.zeros((3, 3), np.float32)}},
        {"state_dict": {"voxel_encoder.pfn_layers.0.linear.weight": np.zeros((64, 9), np.float32)}},
    ],
    ids=["resnet", "second", "mmdet3d"],
)
def test_a_checkpoint_of_another_network_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    message = refusal(save_zip(content, tmp_path / "a.pth"))
    first = next(iter(next(iter(content.values())))) if len(content) == 1 else next(iter(content))
    assert "another network" in message and repr(first) in message


@pytest.mark.parametrize("content", [{}, [], 5, {"epoch": 3, "model_state": None}, {"model_state": {"a": 1}}])
def test_a_file_without_weights_says_what_it_holds(tmp_path: Path, content: Any) -> None:
    message = refusal(save_zip(content, tmp_path / "a.pth"))
    assert "hold" in message


def test_a_checkpoint_that_wants_to_run_code_leaves_nothing(tmp_path: Path) -> None:
    path = save_zip({"model_state": openpcdet_state(), "x": Call(Global("os", "system"), "true")}, tmp_path / "a.pth")
    assert "'os.system'" in refusal(path)


def test_a_truncated_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    whole = SAVERS["stream"]({"model_state": openpcdet_state()}, tmp_path / "whole.pth")
    path = tmp_path / "a.pth"
    path.write_bytes(whole.read_bytes()[:-500])
    assert "truncated" in refusal(path)


def test_the_preset_of_another_project_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint("mmdet", tmp_path / "a.pth")
    check_preset("mmdet_kitti_3class", path)
    check_preset("smallmunich_car", path)
    with pytest.raises(BundleError, match="but openpcdet_kitti_3class describes those of OpenPCDet"):
        check_preset("openpcdet_kitti_3class", path)


def changed(part: str, **changes: Any) -> ModelConfig:
    config = small_config()
    return dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **changes)})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (changed("rpn", channels=7), "has shape (6, 10), but the architecture needs (7, 10)"),
        (changed("rpn", stride=4), "24 cells of the canvas are not a multiple of 16"),
        (changed("grid", y_range=(-2.0, 2.0)), "20 cells of the canvas are not a multiple of 8"),
        (dataclasses.replace(small_config(), anchors=small_config().anchors[:2]), "has shape"),
    ],
    ids=["channels", "stride", "cells", "anchors"],
)
def test_a_description_that_does_not_fit_is_named(tmp_path: Path, config: ModelConfig, words: str) -> None:
    path = save_checkpoint("openpcdet", tmp_path / "a.pth")
    assert words in refusal(path, Description(config, None))


@pytest.mark.parametrize("strides", [(2, 3, 4), (2, 1, 4)])
def test_upsampling_that_no_strides_fit_is_named(tmp_path: Path, strides: tuple[int, ...]) -> None:
    state = openpcdet_state(dataclasses.replace(SIZES, upsample_strides=strides))
    message = refusal(save_checkpoint("openpcdet", tmp_path / "a.pth", state=state))
    assert f"upsampling by {list(strides)}" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "`git lfs pull`"),
        (b"\x08\x08\x12\x07pytorch:", "the folder that holds both networks, *pfe*.onnx and *rpn*.onnx"),
        (b'<?xml version="1.0"?><net name="pfe">', "the folder that holds both networks, pfe.xml and rpn.xml"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "`zstd -d FILE` unpacks it"),
        (b"#ROSBAG V2.0\n", "`pointpillars_ov detect_bag` reads it"),
        (b"<!doctype html><html>", "a web page"),
        (b"", "an empty file"),
    ],
)
def test_a_file_of_another_kind_is_named_with_the_next_step(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    message = refusal(tmp_path / "a.pth")
    assert message.startswith(f"{tmp_path / 'a.pth'} is ") and said in message


def test_pillars_of_other_channels_make_a_network_of_other_sizes_and_that_is_said(tmp_path: Path) -> None:
    sizes = Sizes(layers=(1, 2, 1), anchors=6)
    path = save_zip({"model_state": openpcdet_state(sizes)}, tmp_path / "a.pth")
    bundle, notes = import_checkpoint(path, tmp_path / "bundle")
    assert bundle.config.rpn.channels == sizes.channels
    assert any(note.startswith("sizes: pillars have 6 channels, not 64 as published") for note in notes)
