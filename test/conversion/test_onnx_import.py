# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of pairs of ONNX files in SmallMunich's split, against numpy; and files that are not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, Precision, RuntimeConfig
from pointpillars_ov_ros.conversion.importers import Graphs, find_onnx_preset, import_onnx, read_onnx, read_preset
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.inference.engine import Engine, warm_up_cloud
from pointpillars_ov_ros.model.bundle import load_bundle
from test.builders import grouped, random_cloud, tiny_config
from test.conversion.onnx_files import random_pfe, random_rpn, save_pfe, save_rpn
from test.reference import pfe as slow_pfe
from test.reference.dense_pfe import dense_inputs
from test.reference.pointpillars import convolve

POOLINGS = ("maximum", "convolution")
MADE_UP = {"boxes": "184", "scores": "185", "directions": "187", "canvas": "input.1"}
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def one_class() -> ModelConfig:
    """Return a small network whose three outputs differ in shape, and whose convolution over 7 slots has three taps."""
    car = {"class_name": "Car", "size": [0.83, 0.37, 0.31], "bottom_z": -1.7, "angles": [0.0, 1.57]}
    return tiny_config(grid={"max_points_per_pillar": 7}, anchors=[car], anchor_mask=None)


def save_graphs(folder: Path, config: ModelConfig, pooling: str = "maximum", renamed: bool = False) -> Graphs:
    """Write both networks; `renamed`: with numbers for names, as exporters make them up."""
    pfe = save_pfe(folder / "pfe.onnx", config, random_pfe(config, pooling), "174" if renamed else "")
    return Graphs(pfe, save_rpn(folder / "rpn.onnx", config, random_rpn(config), MADE_UP if renamed else {}))


def refusal(graphs: Graphs, config: ModelConfig) -> str:
    """Convert, expecting a failure; return the message, and check that nothing is left behind."""
    folder = graphs.rpn.parent / "bundle"
    with pytest.raises(BundleError) as raised:
        import_onnx(graphs, config, folder)
    assert not folder.exists()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("renamed", [False, True], ids=["named", "numbered"])
def test_pillar_features_are_those_of_the_twin(tmp_path: Path, pooling: str, renamed: bool) -> None:
    config = one_class()
    bundle, _ = import_onnx(save_graphs(tmp_path, config, pooling, renamed), config, tmp_path / "bundle")
    cloud = random_cloud(np.random.default_rng(3), 400, config.grid)
    pillars = grouped(cloud, config.grid)
    dense = dense_inputs(pillars.points[: pillars.starts[pillars.size]], config.grid, config.grid.max_pillars)
    inputs = {getattr(config.pfe.inputs, name): getattr(dense, name) for name in DensePfeInputs._fields}
    features = ov.Core().compile_model(bundle.path("pfe.xml"), "CPU", EXACT)(inputs)[bundle.config.pfe.output]
    expected = slow_pfe.encode(pillars, config.grid, random_pfe(config, pooling))
    np.testing.assert_allclose(features[0, :, : pillars.size, 0].T, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("renamed", [False, True], ids=["named", "numbered"])
def test_outputs_are_those_of_the_twin(tmp_path: Path, renamed: bool) -> None:
    config = one_class()
    bundle, notes = import_onnx(save_graphs(tmp_path, config, renamed=renamed), config, tmp_path / "bundle")
    canvas = np.random.default_rng(4).normal(size=config.canvas_shape).astype(np.float32)
    outputs = ov.Core().compile_model(bundle.path("rpn.xml"), "CPU", EXACT)({bundle.config.rpn.input: canvas})
    weights = random_rpn(config)
    hidden = np.maximum(convolve(canvas[0], weights["backbone"], config.rpn.stride, 1), 0.0)
    for name in ("boxes", "scores", "directions"):
        expected = convolve(hidden, weights[name], 1, 0).transpose(1, 2, 0)
        np.testing.assert_allclose(outputs[getattr(bundle.config.rpn, name)][0], expected, rtol=1e-3, atol=1e-3)
    assert len(notes) == (5 if renamed else 0)
    assert all("by its shape" in note for note in notes)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_bundle_detects_from_end_to_end(tmp_path: Path, pooling: str) -> None:
    config = one_class()
    import_onnx(save_graphs(tmp_path, config, pooling, renamed=True), config, tmp_path / "bundle", fp16=True)
    engine = Engine(
        load_bundle(tmp_path / "bundle"), RuntimeConfig(encoder=EncoderChoice.AUTO, precision=Precision.F32)
    )
    assert "ms on the host" in engine.encoders.reason
    detections = engine.slots[0].detect(warm_up_cloud(config, 500, seed=3), engine.settings)
    assert len(detections.boxes) > 0 and np.isfinite(detections.boxes).all()


def test_the_published_architecture_is_found(tmp_path: Path) -> None:
    config = read_preset("smallmunich_car")
    assert find_onnx_preset(save_graphs(tmp_path, config, "convolution", renamed=True)) == "smallmunich_car"


def test_an_architecture_that_is_not_known_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"does not match exactly one known architecture .*smallmunich_car: .*pillar_x"
    ):
        find_onnx_preset(save_graphs(tmp_path, tiny_config()))


def test_outputs_of_one_shape_are_not_guessed(tmp_path: Path) -> None:
    """With two classes there are as many scores as directions."""
    config = tiny_config()
    graphs = save_graphs(tmp_path, config)
    renamed = save_rpn(tmp_path / "other_rpn.onnx", config, random_rpn(config), MADE_UP)
    assert "more than one output tensor has the shape" in refusal(Graphs(graphs.pfe, renamed), config)


@pytest.mark.parametrize("part", Graphs._fields)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, part: str, share: float) -> None:
    config = one_class()
    graphs = save_graphs(tmp_path, config)
    path = getattr(graphs, part)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert str(path) in refusal(graphs, config)


@pytest.mark.parametrize("content", [b"no network", b"\x80" * 50, b"<net name='x'/>"])
def test_a_file_that_is_no_onnx_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pfe.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"pfe\.onnx") as raised:
        read_onnx(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent\.onnx is missing"):
        read_onnx(tmp_path / "absent.onnx")


def test_a_network_of_another_shape_is_named(tmp_path: Path) -> None:
    graphs = save_graphs(tmp_path, one_class())
    message = refusal(graphs, tiny_config())
    assert "input tensor 'px' has shape (1, 1, 60, 7), but the bundle says (1, 1, 60, 5)" in message
