# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of checkpoints, against the projects' forward passes in numpy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import yaml

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, Precision, RuntimeConfig
from pointpillars_ov_ros.conversion.checkpoint_import import import_checkpoint
from pointpillars_ov_ros.conversion.checkpoint_layouts import OWN_CONFIG_KEY, OWN_FORMAT, Weights
from pointpillars_ov_ros.conversion.openpcdet_config import Description
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.inference.engine import Engine, warm_up_cloud
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from test.builders import Points, random_cloud
from test.conversion.checkpoints import PROJECTS, SIZES, UPWARDS, Sizes, openpcdet_state, save_checkpoint, small_config
from test.conversion.torch_files import SAVERS, save_zip
from test.reference import pillars as slow_pillars
from test.reference.dense_pfe import dense_inputs

every_project = pytest.mark.parametrize("project", PROJECTS)
every_decoration = pytest.mark.parametrize(
    ("project", "features"), [(name, count) for name, project in PROJECTS.items() for count in project.point_features]
)
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
TOLERANCE = 1e-3


def convert(path: Path, sizes: Sizes = SIZES, fp16: bool = False) -> ModelBundle:
    """Convert a small checkpoint with nothing but the configuration of the bundle to go by."""
    folder = path.parent / "bundle"
    import_checkpoint(path, folder, Description(small_config(sizes), None), fp16)
    return load_bundle(folder)


def infer(bundle: ModelBundle, file: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a network of the bundle in float32."""
    compiled = ov.Core().compile_model(bundle.path(file), "CPU", EXACT)
    results = compiled(inputs)
    return {port.get_any_name(): results[port] for port in compiled.outputs}


def assert_close(actual: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Compare to a share of the largest value: single ones may be 0."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()
    assert np.abs(expected).max() > 0.01


def voxels_of(cloud: Points, bundle: ModelBundle) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return padded points (P, N, 4), their counts (P,), and column and row (P, 2) of each pillar."""
    groups = slow_pillars.group(cloud, bundle.config.grid)
    voxels = np.zeros((len(groups), bundle.config.grid.max_points_per_pillar, 4))
    for pillar, indices in enumerate(groups.values()):
        voxels[pillar, : len(indices)] = cloud[indices]
    return voxels, np.array([len(indices) for indices in groups.values()]), np.array(list(groups))


@every_decoration
@pytest.mark.parametrize("count", [30, 4000], ids=["empty slots", "full pillars"])
def test_pillar_features_are_those_of_the_project(tmp_path: Path, project: str, features: int, count: int) -> None:
    sizes = dataclasses.replace(SIZES, point_features=features)
    bundle = convert(save_checkpoint(project, tmp_path / "a.pth", sizes), sizes)
    grid = bundle.config.grid
    cloud = random_cloud(np.random.default_rng(count), count, grid)
    voxels, counts, cells = voxels_of(cloud, bundle)
    expected = PROJECTS[project].pfe(PROJECTS[project].state(sizes, 1), voxels, counts, cells, grid)
    dense = dense_inputs(cloud, grid, grid.max_pillars)
    names = bundle.config.pfe.inputs
    inputs = {getattr(names, field): getattr(dense, field) for field in DensePfeInputs._fields}
    features_of_all = infer(bundle, "pfe.xml", inputs)[bundle.config.pfe.output]
    assert (counts == grid.max_points_per_pillar).any() == (count == 4000)
    assert_close(features_of_all[0, :, : len(counts), 0].T, expected)


@every_project
@pytest.mark.parametrize("sizes", [SIZES, UPWARDS], ids=["three blocks", "two blocks"])
def test_outputs_are_those_of_the_project(tmp_path: Path, project: str, sizes: Sizes) -> None:
    sizes = dataclasses.replace(sizes, point_features=9)
    bundle = convert(save_checkpoint(project, tmp_path / "a.pth", sizes), sizes)
    canvas = np.random.default_rng(7).normal(size=bundle.config.canvas_shape).astype(np.float32)
    state = PROJECTS[project].state(sizes, 1)
    expected = PROJECTS[project].rpn(state, canvas[0], list(sizes.layers), list(sizes.strides))
    outputs = infer(bundle, "rpn.xml", {"canvas": canvas})
    for name, values in expected.items():
        assert_close(outputs[name][0], values)


@every_project
def test_weights_in_f16_take_half_the_size_and_are_near(tmp_path: Path, project: str) -> None:
    sizes = dataclasses.replace(SIZES, point_features=9)
    path = save_checkpoint(project, tmp_path / "a.pth", sizes)
    whole = convert(path, sizes).path("rpn.bin").stat().st_size
    bundle = convert(path, sizes, fp16=True)
    assert 0.4 * whole < bundle.path("rpn.bin").stat().st_size < 0.6 * whole
    canvas = np.random.default_rng(7).normal(size=bundle.config.canvas_shape).astype(np.float32)
    state = PROJECTS[project].state(sizes, 1)
    expected = PROJECTS[project].rpn(state, canvas[0], list(sizes.layers), list(sizes.strides))
    outputs = infer(bundle, "rpn.xml", {"canvas": canvas})
    for name, values in expected.items():
        assert_close(outputs[name][0], values, 1e-2)


@every_decoration
@pytest.mark.parametrize("choice", [EncoderChoice.AUTO, EncoderChoice.OPENVINO])
def test_a_bundle_detects_from_end_to_end(tmp_path: Path, project: str, features: int, choice: EncoderChoice) -> None:
    sizes = dataclasses.replace(SIZES, point_features=features)
    bundle = convert(save_checkpoint(project, tmp_path / "a.pth", sizes), sizes)
    engine = Engine(bundle, RuntimeConfig(encoder=choice, precision=Precision.F32))
    detections = engine.slots[0].detect(warm_up_cloud(bundle.config, 500, seed=3), engine.settings)
    assert len(detections.boxes) > 0
    assert np.isfinite(detections.boxes).all()
    assert set(detections.labels.tolist()) <= {0, 1, 2}


@every_decoration
@pytest.mark.parametrize("fp16", [False, True], ids=["f32", "f16"])
def test_the_host_encoder_knows_the_pfe(tmp_path: Path, project: str, features: int, fp16: bool) -> None:
    sizes = dataclasses.replace(SIZES, point_features=features)
    bundle = convert(save_checkpoint(project, tmp_path / "a.pth", sizes), sizes, fp16)
    engine = Engine(bundle, RuntimeConfig(encoder=EncoderChoice.HOST, precision=Precision.F32))
    assert engine.encoders.kind is EncoderChoice.HOST


@pytest.mark.parametrize("form", SAVERS)
@every_project
def test_both_formats_of_torch_give_the_same_bundle(tmp_path: Path, project: str, form: str) -> None:
    used = PROJECTS[project]
    sizes = dataclasses.replace(SIZES, point_features=9)
    path = SAVERS[form](used.wrap(used.state(sizes, 1)), tmp_path / "other.pth")
    bundle = convert(path, sizes)
    other = tmp_path / "zip"
    other.mkdir()
    expected = convert(save_checkpoint(project, other / "a.pth", sizes), sizes)
    for name in ("pfe.bin", "rpn.bin"):
        assert bundle.config.sha256[name] == expected.config.sha256[name]
    assert str(path) in bundle.config.provenance


def test_weights_in_float16_and_behind_data_parallel_are_read(tmp_path: Path) -> None:
    state = {f"module.{key}": value.astype(np.float16) for key, value in openpcdet_state().items()}
    path = save_zip({"model_state": state}, tmp_path / "a.pth")
    _, notes = import_checkpoint(path, tmp_path / "bundle", Description(small_config(), None))
    assert any("'module.'" in note for note in notes)


WRAPPED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "torch.compile": (
        lambda s: {"model_state": {f"_orig_mod.{k}": v for k, v in s.items()}}, ("'_orig_mod.'", "torch.compile's"),
    ),
    "both": (lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()}, ("'module._orig_mod.'",)),
    "Lightning": (
        lambda s: {"state_dict": {**{f"model.{k}": v for k, v in s.items()}, "loss.weight": np.ones(3, np.float32)}},
        ("'model.'", "Lightning", "1 are not part", "'loss.weight'"),
    ),
    "an averaged model": (
        lambda s: {"n_averaged": np.array(7), **{f"module.{k}": v for k, v in s.items()}},
        ("'module.'", "an averaged model's"),
    ),
    "a copy beside": (
        lambda s: {"state_dict": {
            **{f"ema_model.module.{k}": v * 0 for k, v in s.items()}, **{f"model.{k}": v for k, v in s.items()}
        }},
        ("'model.'", "the averaged copy, 'ema_model.module.', is ignored"),
    ),
    "a copy beside bare names": (
        lambda s: {**{f"ema.{k}": v * 0 for k, v in s.items()}, **s}, ("are not part of the network", "'ema."),
    ),
    "mmcv's copy": (
        lambda s: {**{"ema_" + k.replace(".", "_"): v * 0 for k, v in s.items()}, **s},
        ("are not part", "which start with 'ema_', are ignored"),
    ),
    "a copy apart": (
        lambda s: {"state_dict": s, "ema_state_dict": {f"module.{k}": v * 0 for k, v in s.items()}},
        ("'ema_state_dict' is ignored",),
    ),
    "only a copy": (lambda s: {"epoch": 3, "model_ema": s}, ("averaged ones in 'model_ema'",)),
}  # fmt: skip


@every_project
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_what_wrappers_put_before_the_keys_is_named_and_left_out(tmp_path: Path, project: str, wrapper: str) -> None:
    sizes = dataclasses.replace(SIZES, point_features=9)
    state = PROJECTS[project].state(sizes, 1)
    wrap, names = WRAPPED[wrapper]
    path = save_zip(wrap(state), tmp_path / "a.pth")
    bundle, notes = import_checkpoint(path, tmp_path / "bundle", Description(small_config(sizes), None))
    assert all(any(name in note for note in notes) for name in names), notes
    other = tmp_path / "bare"
    other.mkdir()
    expected = convert(save_checkpoint(project, other / "a.pth", sizes), sizes)
    for name in ("pfe.bin", "rpn.bin"):
        assert bundle.config.sha256[name] == expected.config.sha256[name]


MMENGINE = {"mmengine_version": "0.10.3"}
COPIES: dict[str, tuple[Any, str]] = {
    "apart": (
        lambda last, mean: {"state_dict": last, "ema_state_dict": {f"module.{k}": v for k, v in mean.items()}}, "last",
    ),
    "nested": (lambda last, mean: {"model_state": last, "model_ema": {"updates": 3, "module": mean}}, "last"),
    "mmengine's": (
        lambda last, mean: {
            "meta": MMENGINE, "state_dict": mean,
            "ema_state_dict": {"steps": np.array(3), **{f"module.{k}": v for k, v in last.items()}},
        },
        "averaged",
    ),
    "mmcv's": (
        lambda last, mean: {"state_dict": {**mean, **{"ema_" + k.replace(".", "_"): v for k, v in last.items()}}},
        "averaged",
    ),
    "beside": (
        lambda last, mean: {
            **{f"model.{k}": v for k, v in last.items()}, **{f"ema_model.module.{k}": v for k, v in mean.items()},
        },
        "last",
    ),
}  # fmt: skip


@every_project
@pytest.mark.parametrize("kind", COPIES)
def test_of_two_copies_of_the_weights_it_is_said_which_is_taken_and_a_flag_takes_the_other(
    tmp_path: Path, project: str, kind: str
) -> None:
    """Which of them stands under the plain names, each framework decides for itself."""
    sizes = dataclasses.replace(SIZES, point_features=9)
    form, main = COPIES[kind]
    states = {"last": PROJECTS[project].state(sizes, 1), "averaged": PROJECTS[project].state(sizes, 2)}
    path = save_zip(form(states["last"], states["averaged"]), tmp_path / "a.pth")
    description = Description(small_config(sizes), None)
    for choice, wanted in ((Weights.MAIN, main), (Weights.AVERAGED, "averaged"), (Weights.LAST, "last")):
        bundle, notes = import_checkpoint(path, tmp_path / choice.value, description, weights=choice)
        plain = save_zip(PROJECTS[project].wrap(states[wanted]), tmp_path / "plain.pth")
        expected, _ = import_checkpoint(plain, tmp_path / "expected", description)
        for name in ("pfe.bin", "rpn.bin"):
            assert bundle.config.sha256[name] == expected.config.sha256[name], (choice, wanted)
        (note,) = (note for note in notes if note.startswith("weights: "))
        other = {"last": "--weights averaged", "averaged": "--weights last"}[main]
        assert choice is not Weights.MAIN or other in note


@pytest.mark.parametrize(
    ("choice", "wrap", "reason"),
    [
        (Weights.AVERAGED, lambda s: {"model_state": s}, "has no averaged copy of the weights"),
        (Weights.AVERAGED, lambda s: {f"module.{k}": v for k, v in s.items()}, "has no averaged copy of the weights"),
        (Weights.LAST, lambda s: {"model_ema": s}, "has averaged weights only, in 'model_ema'"),
        (
            Weights.LAST,
            lambda s: {"n_averaged": np.array(7), **{f"module.{k}": v for k, v in s.items()}},
            "has averaged weights only",
        ),
    ],
)
def test_weights_that_are_not_there_are_one_sentence(tmp_path: Path, choice: Weights, wrap: Any, reason: str) -> None:
    path = save_zip(wrap(openpcdet_state()), tmp_path / "a.pth")
    with pytest.raises(BundleError, match=f"^{re.escape(str(path))} {re.escape(reason)}.*: leave out --weights"):
        import_checkpoint(path, tmp_path / "bundle", Description(small_config(), None), weights=choice)


PUBLISHED = Sizes(
    point_features=10, channels=64, layers=(3, 5, 5), filters=(64, 128, 256), upsample_filters=(128,) * 3, anchors=6
)


@pytest.mark.parametrize(
    ("version", "name", "angle"),
    [
        ("1.4.0", "mmdet3d_kitti_3class", "yaw"),
        (None, "mmdet3d_kitti_3class", "yaw"),
        ("0.18.1", "mmdet_kitti_3class", "rotation_y"),
    ],
)
def test_boxes_of_mmdet3d_are_those_of_its_version(tmp_path: Path, version: str | None, name: str, angle: str) -> None:
    meta = {} if version is None else {"mmdet3d_version": version}
    path = save_zip({"meta": meta, "state_dict": PROJECTS["mmdet3d"].state(PUBLISHED, 1)}, tmp_path / "a.pth")
    bundle, notes = import_checkpoint(path, tmp_path / "bundle")
    assert bundle.config.name == name and bundle.config.box_coder.angle.value == angle
    assert any(name in note for note in notes)
    assert "mmdet3d checkpoint" in bundle.config.provenance


def own_checkpoint(**changes: Any) -> dict[str, Any]:
    """Return a checkpoint of our own training."""
    config = yaml.safe_dump(to_mapping(small_config()))
    content = {"format": OWN_FORMAT, OWN_CONFIG_KEY: config, "model_state": openpcdet_state(), "epoch": 3}
    return {**content, **changes}


def test_our_own_checkpoints_say_what_they_are(tmp_path: Path) -> None:
    path = save_zip(own_checkpoint(), tmp_path / "a.pth")
    bundle, notes = import_checkpoint(path, tmp_path / "bundle")
    config = dataclasses.replace(bundle.config, sha256={}, provenance="")
    assert config == small_config()
    assert any(OWN_CONFIG_KEY in note for note in notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "pointpillars_ov_ros.checkpoint/9"}, "format: 'pointpillars_ov_ros.checkpoint/9'"),
        ({OWN_CONFIG_KEY: 5}, "a int is not the text"),
        ({OWN_CONFIG_KEY: "a: [1"}, "invalid YAML"),
        ({OWN_CONFIG_KEY: "format: 1"}, "missing"),
        ({OWN_CONFIG_KEY: "format: 1\nname: x\nwings: 2"}, "wings"),
    ],
    ids=["format", "type", "yaml", "missing", "unknown"],
)
def test_a_wrong_configuration_in_our_own_checkpoint_is_named(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = save_zip(own_checkpoint(**changes), tmp_path / "a.pth")
    with pytest.raises(BundleError) as raised:
        import_checkpoint(path, tmp_path / "bundle")
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "bundle").exists()
