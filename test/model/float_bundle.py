# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Float bundles of toy networks to quantize, and a real INT8 RPN made float again.

`python -m test.model.float_bundle IR_FOLDER OUT` writes the pair in IR_FOLDER, its RPN made float again, to OUT/f32
and OUT/f16: what `pointpillars_ov quantize` can be tried on where the only network at hand is INT8.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.model.bundle import ModelBundle, ir_files, write_bundle
from pointpillars_ov_ros.model.ports import rpn_ports
from test.builders import Points, random_cloud, tiny_config
from test.inference.slot.test_encoders import build_pfe
from test.inference.toy_models import parameter, save_toy_pfe

HIDDEN = 8


def toy_config(**changes: Any) -> ModelConfig:
    """Return the tiny model with 8 channels, in which most of a canvas is occupied."""
    return tiny_config(rpn={"channels": 8}, provenance="made up", **changes)


def toy_clouds(count: int, points: int = 300) -> list[Points]:
    """Return clouds of the toy model."""
    return [random_cloud(np.random.default_rng(seed), points, toy_config().grid) for seed in range(count)]


def save_float_bundle(folder: Path, *, pooling: str = "", uneven: bool = False, to_f16: bool = False) -> ModelBundle:
    """Write a bundle: an RPN of two layers and three heads over features around 0.

    `pooling`: of the PFE, 'maximum' or 'convolution' as the host's encoder knows them, else of a kind of its own;
    `uneven`: the second layers of RPN and PFE read channels of ranges too different for one scale; `to_f16`: the
    RPN's weights are kept in f16.
    """
    config, sources = toy_config(), folder / "sources"
    sources.mkdir(parents=True)
    if pooling:
        pfe = build_pfe(config, pooling)
        if uneven:
            make_uneven(pfe)
        ov.save_model(pfe, sources / config.pfe.file, compress_to_fp16=False)
    else:
        save_toy_pfe(sources, config)
    ov.save_model(float_rpn(config, uneven), sources / config.rpn.file, compress_to_fp16=to_f16)
    return write_bundle(config, {name: sources / name for name in ir_files(config)}, folder / "bundle")


def float_rpn(config: ModelConfig, uneven: bool = False) -> ov.Model:
    """Return an RPN: a convolution 3 x 3 of the stride, another one, three heads of 1 x 1."""
    random, stride = np.random.default_rng(3), config.rpn.stride

    def convolve(node: ov.Node, channels: int, kernel: int, step: int, name: str) -> ov.Node:
        fan = kernel * kernel * node.get_output_shape(0)[1]
        shape = (channels, node.get_output_shape(0)[1], kernel, kernel)
        weights = random.normal(0.0, fan**-0.5, shape).astype(np.float32)
        if name == "first":
            weights *= 0.03
        if name == "second":
            weights /= scales[None, :, None, None]
        made = ops.convolution(node, weights, [step] * 2, [kernel // 2] * 2, [kernel // 2] * 2, [1, 1])
        made.set_friendly_name(name)
        return made

    canvas = parameter(config.rpn.input, config.canvas_shape)
    scales = uneven_scales() if uneven else np.ones(HIDDEN, np.float32)
    first = ops.relu(convolve(canvas, HIDDEN, 3, stride, "first"))
    second = ops.relu(convolve(ops.multiply(first, scales[None, :, None, None]), HIDDEN, 3, 1, "second"))
    results = []
    for name, shape in rpn_ports(config).outputs.items():
        result = ops.transpose(convolve(second, shape[3], 1, 1, f"head of {name}"), np.array([0, 2, 3, 1]))
        result.output(0).set_names({name})
        results.append(result)
    return ov.Model(results, [canvas], "rpn")


def uneven_scales() -> np.ndarray:
    """Return a scale for each channel between two layers."""
    return np.float32(10.0) ** np.linspace(0, 6, HIDDEN, dtype=np.float32)


def make_uneven(pfe: ov.Model) -> None:
    """Scale the output of the PFE's first layer, and the second layer back; in float only the last bits change."""
    first, second = (node for node in pfe.get_ordered_ops() if node.get_type_name() == "Convolution")
    bias = next(iter(first.output(0).get_target_inputs())).get_node()
    column, row = (uneven_scales().reshape(shape) for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)))
    for node, scales in ((first, column), (bias, row), (second, 1 / row)):
        values = node.input_value(1).get_node().get_data()
        node.input(1).replace_source_output(ops.constant(values * scales).output(0))


def make_float(model: ov.Model) -> ov.Model:
    """Remove the quantization of an INT8 graph in place: no FakeQuantize, weights as scaled float32."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.f16:
            node.output(0).replace(ops.constant(node.get_data().astype(np.float32)).output(0))
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "ConvolutionBackpropData"):
            weights = np.ascontiguousarray(_evaluate(node.input_value(1).get_node()))
            node.input(1).replace_source_output(ops.constant(weights).output(0))
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("FakeQuantize", "Convert"):
            node.output(0).replace(node.input_value(0))
    model.validate_nodes_and_infer_types()
    return model


def _evaluate(node: ov.Node) -> np.ndarray:
    """Return the values of dequantized weights."""
    if node.get_type_name() == "Constant":
        return node.get_data().astype(np.float32)
    inputs = [_evaluate(node.input_value(index).get_node()) for index in range(node.get_input_size())]
    if node.get_type_name() == "Convert":
        return inputs[0]
    return inputs[0] - inputs[1] if node.get_type_name() == "Subtract" else inputs[0] * inputs[1]


def main(source: Path, out: Path) -> None:
    """Write both float pairs."""
    model = make_float(ov.Core().read_model(source / "rpn.xml"))
    for name, to_f16 in (("f32", False), ("f16", True)):
        (out / name).mkdir(parents=True)
        ov.save_model(model, out / name / "rpn.xml", compress_to_fp16=to_f16)
        for file in ("pfe.xml", "pfe.bin"):
            shutil.copyfile(source / file, out / name / file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
