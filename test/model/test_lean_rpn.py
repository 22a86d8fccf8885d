# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rewritten RPN against the untouched one: the same outputs, by other layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.graph import find, fold_batch_norm
from pointpillars_ov_ros.model.lean_rpn import make_lean, unroll_deconvolution
from test.model.rpn_models import CANVAS_RANGE, HEADS, SHAPE, RpnVariant, build_rpn, random_canvas
from test.reference.road import DirectRoad
from test.shared_data import KITTI, needs_shared_data

HOUSEKEEPING = {"Const", "Input", "Output", "Reshape"}
"""Layers of the plugin without work; the Reshapes are of biases."""
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
Outputs = dict[str, np.ndarray]

VARIANTS = {
    "float": RpnVariant(),
    "float with batch norm": RpnVariant(batch_norm=True),
    "float, heads NCHW": RpnVariant(transposed=False),
    "float, overlapping": RpnVariant(overlap=2),
    "int8": RpnVariant(int8=True),
    "int8, heads NCHW": RpnVariant(int8=True, transposed=False),
    "int8, overlapping": RpnVariant(int8=True, overlap=2),
    "int8, asymmetric canvas": RpnVariant(int8=True, canvas_range=(-1.0, 4.1)),
    "int8, unsigned canvas": RpnVariant(int8=True, canvas_range=(0.0, 4.0)),
    "int8, weights under FakeQuantize": RpnVariant(int8=True, fake_weights=True),
    "int8, every head quantized": RpnVariant(int8=True, separate_quantizers=True),
}
every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


def kinds(model: ov.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def executed(compiled: ov.CompiledModel) -> list[tuple[str, str, str]]:
    """Return name, type and implementation of every layer that the plugin executes, in order."""
    nodes = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: str(node.get_rt_info()[key].astype(str)) for key in ("layerType", "primitiveType")}
        nodes.append((node.get_friendly_name(), info["layerType"], info["primitiveType"]))
    # A reorder that only reads the same memory in another order of axes is called fake, and is not executed.
    return [node for node in nodes if node[1] not in HOUSEKEEPING and not node[0].endswith("_fake")]


def write(canvas: np.ndarray, form: CanvasFormat) -> np.ndarray:
    """Return the canvas in the format, the slow way."""
    written = form.quantize(canvas) if form.quantized else canvas
    return np.ascontiguousarray(written.transpose(0, 2, 3, 1)) if form.layout is CanvasLayout.NHWC else written


def infer(model: ov.Model, canvas: np.ndarray) -> Outputs:
    compiled = ov.Core().compile_model(model, "CPU", F32)
    results = compiled(canvas)
    return {port.get_any_name(): results[port].copy() for port in compiled.outputs}


def compare(untouched: Outputs, lean: Outputs, tolerance: float) -> None:
    assert list(lean) == list(untouched)
    for name, wanted in untouched.items():
        assert lean[name].shape == wanted.shape
        assert np.ptp(wanted) > 0.1
        np.testing.assert_allclose(lean[name], wanted, rtol=tolerance, atol=tolerance, err_msg=name)


@every_variant
def test_outputs_are_those_of_the_untouched_graph(variant: RpnVariant) -> None:
    untouched, lean, canvas = build_rpn(variant), make_lean(build_rpn(variant)), random_canvas()
    # In INT8 as well: the levels in between are the same ones, what is left is the rounding of float32.
    compare(infer(untouched, canvas), infer(lean.model, write(canvas, lean.canvas)), 1e-4)


@every_variant
def test_names_and_shapes_of_the_outputs_stay(variant: RpnVariant) -> None:
    untouched, lean = build_rpn(variant), make_lean(build_rpn(variant)).model
    assert [port.get_names() for port in lean.outputs] == [port.get_names() for port in untouched.outputs]
    assert [port.get_shape() for port in lean.outputs] == [port.get_shape() for port in untouched.outputs]
    assert [port.get_names() for port in lean.inputs] == [{"canvas"}]


@every_variant
def test_twice_is_as_once(variant: RpnVariant) -> None:
    once = make_lean(build_rpn(variant))
    before = kinds(once.model)
    twice = make_lean(once.model)
    assert kinds(twice.model) == before
    assert twice.canvas == once.canvas


@every_variant
def test_heads_become_one_convolution(variant: RpnVariant) -> None:
    model = make_lean(build_rpn(variant)).model
    pointwise = [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution" and node.get_output_shape(0)[1] == sum(HEADS.values())
    ]
    assert len(pointwise) == 1
    assert kinds(model).count("VariadicSplit") == 1


def test_the_format_outlives_saving(tmp_path: Path) -> None:
    lean = make_lean(build_rpn(VARIANTS["int8"]))
    ov.save_model(lean.model, tmp_path / "rpn.xml", compress_to_fp16=False)
    again = make_lean(ov.Core().read_model(tmp_path / "rpn.xml"))
    assert again.canvas == lean.canvas
    canvas = write(random_canvas(), lean.canvas)
    compare(infer(lean.model, canvas), infer(again.model, canvas), 0.0)


def test_small_files_are_rewritten_as_well(tmp_path: Path) -> None:
    """Weights and biases kept in f16 are constants under a Convert."""
    ov.save_model(build_rpn(VARIANTS["float with batch norm"]), tmp_path / "rpn.xml", compress_to_fp16=True)
    untouched, rewritten = (ov.Core().read_model(tmp_path / "rpn.xml") for _ in range(2))
    lean = make_lean(rewritten)
    assert "VariadicSplit" in kinds(lean.model)
    canvas = random_canvas()
    compare(infer(untouched, canvas), infer(lean.model, write(canvas, lean.canvas)), 1e-4)


def test_batch_norm_is_folded() -> None:
    model = make_lean(build_rpn(VARIANTS["float with batch norm"])).model
    assert {"BatchNormInference", "Multiply"}.isdisjoint(kinds(model))
    assert kinds(model).count("Add") == kinds(model).count("Convolution") + kinds(model).count(
        "ConvolutionBackpropData"
    )


@pytest.mark.parametrize("name", [name for name, variant in VARIANTS.items() if variant.int8 and not variant.overlap])
def test_int8_graph_stays_int8(name: str) -> None:
    lean = make_lean(build_rpn(VARIANTS[name]))
    assert "ConvolutionBackpropData" not in kinds(lean.model)
    layers = executed(ov.Core().compile_model(lean.model, "CPU", F32))
    assert layers[0][1] == "Convolution"
    assert {kind for _, kind, _ in layers}.isdisjoint({"FakeQuantize", "Deconvolution", "Subgraph"})


@pytest.mark.parametrize("batch_norm", [False, True])
def test_float_deconvolutions_can_be_unrolled_all_the_same(batch_norm: bool) -> None:
    """The benchmark shows that it does not pay."""
    untouched, unrolled = (build_rpn(RpnVariant(batch_norm=batch_norm)) for _ in range(2))
    for node in find(unrolled, "ConvolutionBackpropData"):
        if batch_norm:
            fold_batch_norm(node)
        unroll_deconvolution(node, in_float=True)
    unrolled.validate_nodes_and_infer_types()
    assert "ConvolutionBackpropData" not in kinds(unrolled)
    canvas = random_canvas()
    compare(infer(untouched, canvas), infer(unrolled, canvas), 1e-4)


@pytest.mark.parametrize("kernel", [2, 4])
def test_float_deconvolutions_of_more_than_one_cell_stay(kernel: int) -> None:
    features = ops.parameter([1, 8, 4, 6], np.float32, name="canvas")
    weights = np.ones((8, 4, kernel, kernel), np.float32)
    made = ops.convolution_backprop_data(features, weights, [kernel] * 2, None, [0, 0], [0, 0], [1, 1])
    assert "ConvolutionBackpropData" in kinds(make_lean(ov.Model([made], [features], "rpn")).model)


def test_siblings_that_are_no_heads_stay_apart() -> None:
    features = ops.parameter([1, 8, 4, 6], np.float32, name="canvas")
    weights = np.ones((4, 8, 1, 1), np.float32)
    pair = [ops.convolution(features, weights * (k + 1), [1, 1], [0, 0], [0, 0], [1, 1]) for k in range(2)]
    further = ops.convolution(pair[0], np.ones((4, 4, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    model = make_lean(ov.Model([further, pair[1]], [features], "rpn")).model
    assert kinds(model).count("Convolution") == 3


def test_float_canvas_is_wanted_nhwc() -> None:
    lean = make_lean(build_rpn(VARIANTS["float"]))
    assert lean.canvas == CanvasFormat(CanvasLayout.NHWC)
    assert list(lean.model.input(0).shape) == [SHAPE[0], SHAPE[2], SHAPE[3], SHAPE[1]]


def test_quantized_canvas_is_uint8_nhwc() -> None:
    lean = make_lean(build_rpn(VARIANTS["int8"]))
    assert lean.model.input(0).element_type == ov.Type.u8
    assert list(lean.model.input(0).shape) == [SHAPE[0], SHAPE[2], SHAPE[3], SHAPE[1]]
    assert lean.canvas.zero_point == 128


@pytest.mark.parametrize("limits", [CANVAS_RANGE, (0.0, 4.0), (-18.9375, 18.796875)])
def test_levels_are_those_of_the_fake_quantize(limits: tuple[float, float]) -> None:
    """Outside the range, at its ends, halfway between two levels, and everywhere else."""
    form = make_lean(build_rpn(RpnVariant(int8=True, canvas_range=limits))).canvas
    low, high = limits
    halves = low + (np.arange(255) + 0.5) * form.scale
    features = np.concatenate([[low - 3, high + 3, low, high, 0.0], halves, np.linspace(low, high, 9001)])
    features = features.astype(np.float32)
    node = ops.parameter([features.size], np.float32)
    edges = [np.float32(low), np.float32(high)]
    quantized = ops.fake_quantize(node, *edges, np.float32(0), np.float32(255), 256)
    levels = ov.Core().compile_model(ov.Model([quantized], [node], "levels"), "CPU", F32)(features)[0]
    mine = form.quantize(features)
    np.testing.assert_array_equal(mine, levels)
    assert form.quantize(np.zeros(1, np.float32))[0] == form.zero_point


def other_quantization(**changes: Any) -> ov.Model:
    """Return the INT8 RPN with another FakeQuantize on the canvas."""
    model = build_rpn(VARIANTS["int8"])
    node = next(node for node in model.get_ordered_ops() if node.get_type_name() == "FakeQuantize")
    limits = {"low": CANVAS_RANGE[0], "high": CANVAS_RANGE[1], "out_low": CANVAS_RANGE[0], "out_high": CANVAS_RANGE[1]}
    levels = changes.pop("levels", 256)
    values = [np.asarray(value, np.float32) for value in {**limits, **changes}.values()]
    node.output(0).replace(ops.fake_quantize(node.input_value(0), *values, levels).output(0))
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": 255},
        {"out_high": 5.0},
        {"low": np.linspace(-4, -1, 16).reshape(1, 16, 1, 1)},
        {"low": 0.5, "out_low": 0.5},
        {"low": -0.55 * 4 / 255, "high": 4.0, "out_low": -0.55 * 4 / 255, "out_high": 4.0},
    ],
    ids=["levels", "scaling", "per channel", "without 0", "0 between levels"],
)
def test_a_quantization_that_uint8_cannot_hold_is_left_alone(changes: dict[str, Any]) -> None:
    lean, canvas = make_lean(other_quantization(**changes)), random_canvas()
    assert lean.canvas == CanvasFormat(CanvasLayout.NCHW)
    assert lean.model.input(0).element_type == ov.Type.f32
    compare(infer(other_quantization(**changes), canvas), infer(lean.model, canvas), 1e-4)


def test_another_graph_is_left_as_it_is() -> None:
    first, second = (ops.parameter([1, 4, 8, 8], np.float32, name=name) for name in ("a", "b"))
    model = ov.Model([ops.matmul(ops.add(first, second), second, False, False)], [first, second], "other")
    before = kinds(model)
    assert make_lean(model).canvas == CanvasFormat(CanvasLayout.NCHW)
    assert kinds(model) == before


def test_heads_of_unlike_form_are_left_as_they_are() -> None:
    features = ops.parameter([1, 8, 4, 6], np.float32, name="canvas")
    plain = np.ones((4, 8, 1, 1), np.float32)
    kept = ops.multiply(ops.convert(ops.constant(np.ones((2, 8, 1, 1), np.int8)), "f32"), np.float32(0.1))
    heads = [ops.convolution(features, weights, [1, 1], [0, 0], [0, 0], [1, 1]) for weights in (plain, kept)]
    model = make_lean(ov.Model(heads, [features], "rpn")).model
    assert kinds(model).count("Convolution") == 2


# The real network.


@pytest.fixture(scope="module")
def rpns(kitti_car: ModelBundle) -> tuple[ov.CompiledModel, ov.CompiledModel, CanvasFormat]:
    """Return the original RPN, the rewritten one, and its canvas."""
    core, path = ov.Core(), kitti_car.path(kitti_car.config.rpn.file)
    lean = make_lean(core.read_model(path))
    return core.compile_model(path, "CPU", F32), core.compile_model(lean.model, "CPU", F32), lean.canvas


class RecordingRoad(DirectRoad):
    """Keeps what went into and came out of the RPN last."""

    def __init__(self, bundle: ModelBundle) -> None:
        super().__init__(bundle)
        untouched = self._rpn

        def record(inputs: dict[str, np.ndarray]) -> Any:
            self.canvas = inputs[bundle.config.rpn.input]
            self.outputs = untouched(inputs)
            return self.outputs

        self._rpn = record


def decode(config: ModelConfig, outputs: Outputs, points: np.ndarray) -> Any:
    pillars = Pillars(config.grid)
    pillars.group(points)
    names = config.rpn
    parts = (outputs[name] for name in (names.boxes, names.scores, names.directions))
    return Decoder(config).decode(*parts, pillars, config.postprocess)


@needs_shared_data
def test_detections_on_real_frames_are_the_same(kitti_car: ModelBundle, rpns: Any) -> None:
    _, lean, form = rpns
    road, found = RecordingRoad(kitti_car), 0
    for frame in find_frames(KITTI / "training" / "velodyne_reduced")[::3]:
        points = frame.read_points()
        wanted = road.detect(points)
        results = lean(write(road.canvas, form))
        outputs = {port.get_any_name(): results[port] for port in lean.outputs}
        compare({name: road.outputs[name] for name in outputs}, outputs, 1e-4)
        mine = decode(kitti_car.config, outputs, points)
        np.testing.assert_array_equal(mine.labels, wanted.labels)
        np.testing.assert_allclose(mine.boxes, wanted.boxes, atol=1e-4)
        np.testing.assert_allclose(mine.scores, wanted.scores, atol=1e-5)
        found += int((wanted.scores >= 0.3).sum())
    assert found > 5


@needs_shared_data
def test_the_real_network_reads_uint8_and_stays_int8(rpns: Any) -> None:
    untouched, lean, form = rpns
    before, after = executed(untouched), executed(lean)
    assert any(kind == "Deconvolution" and implementation.endswith("f32") for _, kind, implementation in before)
    assert form.quantized and form.zero_point == 128
    assert after[0][1] == "Convolution"
    assert all(implementation.endswith("I8") for _, kind, implementation in after if kind == "Convolution")
    assert {kind for _, kind, _ in after} == {"Convolution", "DepthToSpace", "Concatenation", "Split"}
