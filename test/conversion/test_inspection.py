# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Summaries of networks: operations counted by hand, precision and bytes of known graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.conversion.inspection import (
    NetworkSummary,
    count_macs,
    find_layers,
    inspect_bundle,
    inspect_network,
    is_quantized,
)
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.toy_bundle import save_toy_bundle
from test.inference.toy_models import parameter
from test.model.float_bundle import make_float, save_float_bundle
from test.model.rpn_models import RpnVariant, build_rpn
from test.shared_data import needs_shared_data

ONE, NONE = [1, 1], [0, 0]
RPN_MACS = {
    "first": 16 * 24 * 16 * 16 * 9,
    "second": 4 * 6 * 32 * 16 * 9,
    "up 1": 16 * 24 * 16 * 16,
    "up 4": 4 * 6 * 32 * 16 * 16,
    "heads": 16 * 24 * 32 * (14 + 2 + 4),
}
"""Multiply-adds of rpn_models: output cells x channels out x channels in x kernel; of deconvolutions, input cells."""


def weights(*shape: int) -> ov.Node:
    return ops.constant(np.ones(shape, np.float32))


def data(*shape: int) -> ov.Node:
    return parameter("data", shape)


def summarize(model: ov.Model, folder: Path, to_f16: bool = False) -> NetworkSummary:
    """Describe a model as it is when it was saved and read."""
    ov.save_model(model, folder / "network.xml", compress_to_fp16=to_f16)
    return inspect_network(ov.Core().read_model(folder / "network.xml"), folder / "network.xml")


@pytest.mark.parametrize(
    ("build", "macs"),
    [
        # 5 x 7 cells out, 4 channels, each of 3 channels x 3 x 3.
        (lambda: ops.convolution(data(1, 3, 5, 7), weights(4, 3, 3, 3), ONE, ONE, ONE, ONE), 5 * 7 * 4 * 27),
        # Without padding 3 x 5 cells, every second of them: 2 x 3.
        (lambda: ops.convolution(data(1, 3, 5, 7), weights(4, 3, 3, 3), [2, 2], NONE, NONE, ONE), 2 * 3 * 4 * 27),
        (lambda: ops.convolution(data(2, 3, 5, 7), weights(4, 3, 1, 7), ONE, NONE, NONE, ONE), 2 * 5 * 4 * 21),
        # A kernel of 3 with gaps reaches over 5 of the 7 columns: 3 cells out.
        (lambda: ops.convolution(data(1, 3, 5, 7), weights(4, 3, 1, 3), ONE, NONE, NONE, [1, 2]), 5 * 3 * 4 * 9),
        # Every one of 5 x 7 cells and 3 channels goes into 4 channels of 2 x 2.
        (lambda: ops.convolution_backprop_data(data(1, 3, 5, 7), weights(3, 4, 2, 2), [2, 2]), 5 * 7 * 3 * 16),
        # Two groups: 3 of 6 channels make 2 of 4.
        (
            lambda: ops.group_convolution(data(1, 6, 5, 7), weights(2, 2, 3, 3, 3), ONE, ONE, ONE, ONE),
            5 * 7 * 4 * 27,
        ),
        (
            lambda: ops.group_convolution_backprop_data(data(1, 6, 5, 7), weights(2, 3, 2, 2, 2), [2, 2]),
            5 * 7 * 6 * 8,
        ),
        (lambda: ops.matmul(data(5, 7), weights(7, 3), False, False), 5 * 7 * 3),
        (lambda: ops.matmul(data(7, 5), weights(3, 7), True, True), 5 * 7 * 3),
        (lambda: ops.matmul(data(2, 5, 7), weights(7, 3), False, False), 2 * 5 * 7 * 3),
    ],
)
def test_multiply_adds_are_those_counted_by_hand(build: Callable[[], ov.Node], macs: int) -> None:
    assert count_macs(build()) == macs


def test_a_shape_that_is_not_fixed_gives_no_count() -> None:
    canvas = ops.parameter([1, 3, -1, 7], np.float32, "data")
    model = ov.Model([ops.convolution(canvas, weights(4, 3, 1, 1), ONE, NONE, NONE, ONE)], [canvas], "open")
    assert [layer.macs for layer in find_layers(model)] == [None]


def test_the_arithmetic_of_a_network_is_that_of_its_layers(tmp_path: Path) -> None:
    summary = summarize(build_rpn(RpnVariant()), tmp_path)
    assert summary.macs == sum(RPN_MACS.values())
    assert Counter(layer.kind for layer in summary.layers) == {"Convolution": 5, "ConvolutionBackpropData": 2}


@pytest.mark.parametrize(
    ("variant", "to_f16", "precision", "stored"),
    [
        (RpnVariant(), False, "7 f32", "f32"),
        (RpnVariant(), True, "7 f16", "f16"),
        (RpnVariant(batch_norm=True), False, "7 f32", "f32"),
        (RpnVariant(int8=True), False, "7 INT8", "i8"),
        (RpnVariant(int8=True, separate_quantizers=True), False, "7 INT8", "i8"),
        (RpnVariant(int8=True, fake_weights=True), False, "7 INT8", "f32"),
    ],
)
def test_precision_is_told_from_the_graph(
    tmp_path: Path, variant: RpnVariant, to_f16: bool, precision: str, stored: str
) -> None:
    summary = summarize(build_rpn(variant), tmp_path, to_f16)
    assert summary.precision == precision
    assert {layer.stored for layer in summary.layers} == {stored}
    assert summary.is_quantized == variant.int8


def test_a_layer_is_not_int8_by_its_weights_alone(tmp_path: Path) -> None:
    levels = ops.multiply(ops.convert(ops.constant(np.ones((4, 3, 1, 1), np.int8)), "f32"), np.float32(0.1))
    canvas = data(1, 3, 5, 7)
    model = ov.Model([ops.convolution(canvas, levels, ONE, NONE, NONE, ONE)], [canvas], "compressed")
    summary = summarize(model, tmp_path)
    assert (summary.precision, summary.layers[0].stored) == ("1 f32", "i8")
    assert summary.is_quantized


def test_weights_that_are_computed_have_no_size(tmp_path: Path) -> None:
    left, right = parameter("left", (5, 7)), parameter("right", (7, 3))
    model = ov.Model([ops.matmul(left, right, False, False)], [left, right], "product")
    (layer,) = summarize(model, tmp_path).layers
    assert (layer.stored, layer.weights, layer.weight_bytes, layer.macs) == ("", 0, 0, 5 * 7 * 3)


@pytest.mark.parametrize(("to_f16", "size"), [(False, 4), (True, 2)])
def test_bytes_are_those_of_the_file(tmp_path: Path, to_f16: bool, size: int) -> None:
    """The RPN's weights, and a bias for each channel that a layer makes."""
    summary = summarize(build_rpn(RpnVariant()), tmp_path, to_f16)
    count = 16 * 16 * 9 + 32 * 16 * 9 + 16 * 16 + 32 * 16 * 16 + 32 * 20
    assert sum(layer.weights for layer in summary.layers) == count
    assert sum(layer.weight_bytes for layer in summary.layers) == size * count
    floats = {c.kind: c for c in summary.constants}["f16" if to_f16 else "f32"]
    assert (floats.values, floats.bytes) == (count + 16 + 32 + 16 + 16 + 20, size * (count + 100))
    files = (tmp_path / "network.xml", tmp_path / "network.bin")
    assert (summary.graph_bytes, summary.weight_bytes) == tuple(path.stat().st_size for path in files)
    # The axes of the three Transposes are one constant there.
    assert summary.weight_bytes == floats.bytes + 4 * 8
    assert summary.bytes == summary.graph_bytes + summary.weight_bytes


def test_tensors_are_named_with_shape_and_type(tmp_path: Path) -> None:
    summary = summarize(build_rpn(RpnVariant()), tmp_path)
    assert [(t.name, t.shape, t.kind) for t in summary.inputs] == [("canvas", "1 x 16 x 16 x 24", "f32")]
    assert [(t.name, t.shape) for t in summary.outputs] == [
        ("boxes", "1 x 16 x 24 x 14"),
        ("scores", "1 x 16 x 24 x 2"),
        ("directions", "1 x 16 x 24 x 4"),
    ]


def test_both_networks_of_a_bundle_are_described(tmp_path: Path) -> None:
    summary = inspect_bundle(save_float_bundle(tmp_path, to_f16=True))
    assert {name: network.precision for name, network in summary.networks.items()} == {"pfe": "1 f32", "rpn": "5 f16"}


def test_a_network_that_the_bundle_does_not_describe_is_refused(tmp_path: Path) -> None:
    bundle = save_toy_bundle(tmp_path)
    for name in ("pfe.xml", "pfe.bin"):
        bundle.path(name.replace("pfe", "rpn")).write_bytes(bundle.path(name).read_bytes())
    with pytest.raises(BundleError, match=r"rpn\.xml: no input tensor 'canvas'"):
        inspect_bundle(bundle)


def test_what_was_int8_is_float_when_it_is_made_so(tmp_path: Path) -> None:
    variant = RpnVariant(int8=True)
    before, after = build_rpn(variant), make_float(build_rpn(variant))
    assert is_quantized(before)
    assert summarize(after, tmp_path).precision == "7 f32"
    assert not is_quantized(after)


@needs_shared_data
def test_the_real_network_is_described(kitti_car: ModelBundle) -> None:
    networks = inspect_bundle(kitti_car).networks
    pfe, rpn = networks["pfe"], networks["rpn"]
    assert (pfe.precision, pfe.is_quantized) == ("2 f16", False)
    assert pfe.macs == 12000 * 100 * 9 * 64 + 12000 * 64 * 64 * 34
    assert (rpn.precision, rpn.is_quantized) == ("22 INT8", True)
    stages = [(248 * 216, 64, 64, 64, 4), (124 * 108, 64, 128, 128, 6), (62 * 54, 128, 256, 256, 6)]
    convolutions = sum(cells * 9 * (a * b + (n - 1) * b * c) for cells, a, b, c, n in stages)
    ups = 248 * 216 * 64 * 128 + 124 * 108 * 128 * 128 * 4 + 62 * 54 * 256 * 128 * 16
    assert rpn.macs == convolutions + ups + 248 * 216 * 384 * 20
    assert {c.kind: c.values for c in rpn.constants}["i8"] == sum(layer.weights for layer in rpn.layers) == 4808192
