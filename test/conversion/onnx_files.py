# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files in SmallMunich's split, written byte by byte: the package onnx is not needed for the few fields used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.core.pfe import PfeWeights, SlotConvolution
from pointpillars_ov_ros.model.ports import Shape, pfe_ports, rpn_ports

IR_VERSION, OPSET = 6, 9
_FLOAT, _INT64 = 1, 7
_ATTRIBUTE_INT, _ATTRIBUTE_INTS = 2, 7
Attribute = int | list[int]


def varint(value: int) -> bytes:
    """Encode a number of 0 or more as protobuf does."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """Encode a field: a number, a string, or an encoded message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


class OnnxGraph:
    """A graph of operators in the order in which they are added."""

    def __init__(self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> None:
        self._ends = (inputs, outputs)
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Attribute) -> str:
        """Add an operator; return the name of its output."""
        parts = [field(1, name) for name in inputs]
        parts += [field(2, output), field(4, kind)]
        parts += [field(5, encode_attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join(parts))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a tensor of float32 or int64; give its name."""
        kind = _INT64 if values.dtype == np.int64 else _FLOAT
        sizes = b"".join(field(1, size) for size in values.shape)
        self._constants.append(sizes + field(2, kind) + field(8, name) + field(9, values.tobytes()))
        return name

    def save(self, path: Path) -> Path:
        """Write the file."""
        inputs, outputs = ([describe(name, shape) for name, shape in end.items()] for end in self._ends)
        parts = [field(1, node) for node in self._nodes]
        parts += [field(2, path.stem), *(field(5, tensor) for tensor in self._constants)]
        parts += [*(field(11, port) for port in inputs), *(field(12, port) for port in outputs)]
        opset = field(1, "") + field(2, OPSET)
        path.write_bytes(field(1, IR_VERSION) + field(7, b"".join(parts)) + field(8, opset))
        return path


def encode_attribute(name: str, value: Attribute) -> bytes:
    """Encode an attribute: a number, or a list of them."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, _ATTRIBUTE_INT)
    return field(1, name) + b"".join(field(8, item) for item in value) + field(20, _ATTRIBUTE_INTS)


def describe(name: str, shape: Shape) -> bytes:
    """Encode name and shape of an input or output of float32."""
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, _FLOAT) + field(2, sizes)))


def save_pfe(path: Path, config: ModelConfig, weights: PfeWeights, output: str = "") -> Path:
    """Write a PFE as SmallMunich's exporter does, with its operators; `output` is what its output is called."""
    ports = pfe_ports(config, config.grid.max_pillars)
    output = output or config.pfe.output
    graph = OnnxGraph(ports.inputs, {output: ports.outputs[config.pfe.output]})
    names = {name: getattr(config.pfe.inputs, name) for name in DensePfeInputs._fields}
    graph.add("Concat", [names["x"], names["y"], names["z"]], "xyz", axis=1)
    graph.add("ReduceSum", ["xyz"], "total", axes=[3], keepdims=1)
    graph.constant("column", np.array([1, 1, config.grid.max_pillars, 1], np.int64))
    graph.add("Reshape", [names["num_points"], "column"], "count")
    graph.add("Div", ["total", "count"], "mean")
    graph.add("Sub", ["xyz", "mean"], "from_mean")
    graph.add("Sub", [names["x"], names["center_x"]], "from_center_x")
    graph.add("Sub", [names["y"], names["center_y"]], "from_center_y")
    parts = ["xyz", names["intensity"], "from_mean", "from_center_x", "from_center_y"]
    graph.add("Concat", parts, "decorated", axis=1)
    graph.add("Mul", ["decorated", names["mask"]], "masked")
    graph.constant("linear.weight", np.ascontiguousarray(weights.linear.T[:, :, None, None]))
    graph.constant("linear.bias", weights.bias)
    graph.add("Conv", ["masked", "linear.weight", "linear.bias"], "linear", kernel_shape=[1, 1])
    graph.add("Relu", ["linear"], "hidden")
    pooling = weights.convolution
    if pooling is None:
        graph.add("ReduceMax", ["hidden"], output, axes=[3], keepdims=1)
    else:
        graph.constant("conv3.weight", np.ascontiguousarray(pooling.taps.transpose(2, 1, 0)[:, :, None, :]))
        graph.constant("conv3.bias", pooling.bias)
        shape, dilations = [1, len(pooling.taps)], [1, pooling.dilation]
        inputs = ["hidden", "conv3.weight", "conv3.bias"]
        graph.add("Conv", inputs, output, kernel_shape=shape, dilations=dilations)
    return graph.save(path)


def save_rpn(path: Path, config: ModelConfig, weights: dict[str, np.ndarray], names: dict[str, str]) -> Path:
    """Write an RPN of one convolution and its heads, whose `weights` are under `backbone` and the names of the outputs.

    `names` are the names of its canvas and outputs, if they differ from `config`.
    """
    ports, stride = rpn_ports(config), config.rpn.stride
    called = {name: names.get(name, name) for name in (*ports.inputs, *ports.outputs)}
    ends = [{called[name]: shape for name, shape in end.items()} for end in ports]
    graph = OnnxGraph(ends[0], ends[1])
    graph.constant("backbone", weights["backbone"])
    inputs = [called[config.rpn.input], "backbone"]
    graph.add("Conv", inputs, "convolved", kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4)
    graph.add("Relu", ["convolved"], "activated")
    for name in ports.outputs:
        graph.constant(f"{name}.weight", weights[name])
        graph.add("Conv", ["activated", f"{name}.weight"], f"{name}.channels_first", kernel_shape=[1, 1])
        graph.add("Transpose", [f"{name}.channels_first"], called[name], perm=[0, 2, 3, 1])
    return graph.save(path)


def random_pfe(config: ModelConfig, pooling: str, seed: int = 1) -> PfeWeights:
    """Draw the weights of a PFE; its `pooling` is a maximum, or a convolution."""
    rng, channels = np.random.default_rng(seed), config.rpn.channels
    linear = rng.normal(size=(9, channels)).astype(np.float32)
    bias = rng.normal(size=channels).astype(np.float32)
    if pooling == "maximum":
        return PfeWeights(linear, bias, None)
    taps = rng.normal(size=((config.grid.max_points_per_pillar - 1) // 3 + 1, channels, channels)).astype(np.float32)
    return PfeWeights(linear, bias, SlotConvolution(taps, rng.normal(size=channels).astype(np.float32), 3))


def random_rpn(config: ModelConfig, seed: int = 1) -> dict[str, np.ndarray]:
    """Draw the weights of an RPN."""
    rng, hidden = np.random.default_rng(seed), 4
    weights = {"backbone": rng.normal(size=(hidden, config.rpn.channels, 3, 3)).astype(np.float32)}
    for name, shape in rpn_ports(config).outputs.items():
        weights[name] = rng.normal(size=(shape[3], hidden, 1, 1)).astype(np.float32)
    return weights
