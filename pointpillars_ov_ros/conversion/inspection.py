# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Summary of the networks of a bundle: tensors, layers with weights, their precision, operations and bytes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.graph import source
from pointpillars_ov_ros.model.ports import pfe_ports, read_model, rpn_ports

INT8 = "INT8"
WEIGHTED = (
    "Convolution",
    "ConvolutionBackpropData",
    "GroupConvolution",
    "GroupConvolutionBackpropData",
    "MatMul",
)
"""Layers whose multiply-adds are counted; all others together take next to nothing in a PointPillars network."""
_ON_WEIGHTS = {"Convert", "Subtract", "Multiply", "FakeQuantize", "Reshape", "Transpose", "Unsqueeze", "Squeeze"}
"""Operations that may lie between a layer and the constant that its weights come from."""
_VALUE_KEEPING = {"Convert", "Reshape", "Transpose", "MaxPool", "DepthToSpace", "VariadicSplit", "Split", "Pad"}
"""Operations that pass quantized values on unchanged."""
_FLOATS = {"f32", "f16", "bf16", "f64"}


@dataclass(frozen=True)
class TensorSummary:
    """An input or output."""

    name: str
    shape: str
    kind: str
    """Element type."""


@dataclass(frozen=True)
class LayerSummary:
    """A layer with weights."""

    name: str
    kind: str
    precision: str
    """INT8 if the weights and the input are quantized; else the float type of the weights in the file."""
    stored: str
    """Element type of the weights in the file; empty if they are computed."""
    weights: int
    weight_bytes: int
    macs: int | None
    """Multiply-adds per inference; None if a shape is dynamic. FLOPs are twice as many."""


@dataclass(frozen=True)
class ConstantSummary:
    """All constants of one element type: weights, biases, scales, shapes."""

    kind: str
    count: int
    values: int
    bytes: int


@dataclass(frozen=True)
class NetworkSummary:
    """One network of a bundle."""

    file: str
    graph_bytes: int
    weight_bytes: int
    """Size of the .bin file."""
    inputs: tuple[TensorSummary, ...]
    outputs: tuple[TensorSummary, ...]
    layers: tuple[LayerSummary, ...]
    constants: tuple[ConstantSummary, ...]
    is_quantized: bool
    """Whether any part of the network is quantized."""

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.graph_bytes + self.weight_bytes

    @property
    def macs(self) -> int | None:
        """Multiply-adds per inference; None if a shape is dynamic."""
        counts = [layer.macs for layer in self.layers if layer.macs is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def precision(self) -> str:
        """Number of layers by precision, as in '21 INT8, 1 f32'."""
        counts = Counter(layer.precision for layer in self.layers)
        return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


@dataclass(frozen=True)
class BundleSummary:
    """Summary of a bundle."""

    config: ModelConfig
    networks: dict[str, NetworkSummary]
    """Summaries of PFE and RPN."""


def inspect_bundle(bundle: ModelBundle) -> BundleSummary:
    """Inspect both networks; BundleError if one is not what the bundle says."""
    config, core = bundle.config, ov.Core()
    networks = {}
    for name, file, ports in (
        ("pfe", config.pfe.file, pfe_ports(config, config.grid.max_pillars)),
        ("rpn", config.rpn.file, rpn_ports(config)),
    ):
        networks[name] = inspect_network(read_model(core, bundle.path(file), ports), bundle.path(file))
    return BundleSummary(config, networks)


def inspect_network(model: ov.Model, path: Path) -> NetworkSummary:
    """Describe `model`, which was read from the IR at `path`."""
    return NetworkSummary(
        file=path.name,
        graph_bytes=path.stat().st_size,
        weight_bytes=path.with_suffix(".bin").stat().st_size,
        inputs=tuple(_tensor(port) for port in model.inputs),
        outputs=tuple(_tensor(port) for port in model.outputs),
        layers=find_layers(model),
        constants=_constants(model),
        is_quantized=is_quantized(model),
    )


def find_layers(model: ov.Model) -> tuple[LayerSummary, ...]:
    """Describe the layers with weights, in topological order."""
    return tuple(_layer(node) for node in model.get_ordered_ops() if node.get_type_name() in WEIGHTED)


def is_quantized(model: ov.Model) -> bool:
    """Whether a graph holds quantized tensors or weights."""
    fake = any(node.get_type_name() == "FakeQuantize" for node in model.get_ordered_ops())
    return fake or any(layer.stored and layer.stored not in _FLOATS for layer in find_layers(model))


def count_macs(node: ov.Node) -> int | None:
    """Return the multiply-adds of a layer, including those on padding; None if a shape is dynamic.

    Every value of a convolution's output is a sum over its inputs' channels and the kernel; every value of a
    deconvolution's input contributes to all output channels and the kernel.
    """
    shapes = [node.get_input_partial_shape(0), node.get_input_partial_shape(1), node.get_output_partial_shape(0)]
    if any(shape.is_dynamic for shape in shapes):
        return None
    data, weights, result = ([int(length) for length in shape.to_shape()] for shape in shapes)
    kind = node.get_type_name()
    if kind == "MatMul":
        inner = data[-2] if node.get_attributes()["transpose_a"] and len(data) > 1 else data[-1]
        return math.prod(result) * inner
    # Weights are [out, in, ...], [in, out, ...] of a deconvolution, and of groups [groups, ...] of the same.
    per_value = math.prod(weights[2:] if kind.startswith("Group") else weights[1:])
    return math.prod(data if "Backprop" in kind else result) * per_value


def _tensor(port: ov.Output) -> TensorSummary:
    shape = port.partial_shape
    text = " x ".join(str(n) for n in shape.to_shape()) if shape.is_static else str(shape)
    return TensorSummary(port.get_any_name(), text, port.element_type.to_string())


def _layer(node: ov.Node) -> LayerSummary:
    constant, has_quantizer = _origin(source(node, 1))
    stored = "" if constant is None else constant.get_element_type().to_string()
    quantized = has_quantizer or stored not in {"", *_FLOATS}
    return LayerSummary(
        name=node.get_friendly_name(),
        kind=node.get_type_name(),
        precision=INT8 if quantized and _is_quantized_value(source(node)) else _float_type(node, stored),
        stored=stored,
        weights=0 if constant is None else math.prod(constant.get_output_shape(0)),
        weight_bytes=0 if constant is None else _bytes(constant),
        macs=count_macs(node),
    )


def _float_type(node: ov.Node, stored: str) -> str:
    return stored if stored in _FLOATS else str(node.get_element_type().to_string())


def _origin(node: ov.Node) -> tuple[ov.Node | None, bool]:
    """Return the constant that weights come from, None if they are computed; and whether a FakeQuantize follows it."""
    has_quantizer = False
    while node.get_type_name() in _ON_WEIGHTS:
        has_quantizer = has_quantizer or node.get_type_name() == "FakeQuantize"
        node = source(node)
    return (node if node.get_type_name() == "Constant" else None), has_quantizer


def _is_quantized_value(node: ov.Node) -> bool:
    """Whether a value comes directly from FakeQuantizes."""
    while node.get_type_name() in _VALUE_KEEPING:
        node = source(node)
    if node.get_type_name() == "Concat":
        return all(_is_quantized_value(source(node, index)) for index in range(node.get_input_size()))
    return bool(node.get_type_name() == "FakeQuantize")


def _constants(model: ov.Model) -> tuple[ConstantSummary, ...]:
    found: dict[str, list[ov.Node]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            found.setdefault(node.get_element_type().to_string(), []).append(node)
    summaries = [
        ConstantSummary(
            kind, len(nodes), sum(math.prod(node.get_output_shape(0)) for node in nodes), sum(map(_bytes, nodes))
        )
        for kind, nodes in found.items()
    ]
    return tuple(sorted(summaries, key=lambda summary: -summary.bytes))


def _bytes(constant: ov.Node) -> int:
    values = math.prod(constant.get_output_shape(0))
    return int(-(-values * constant.get_element_type().bitwidth // 8))
