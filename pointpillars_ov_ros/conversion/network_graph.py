# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two networks of PointPillars as OpenVINO graphs, built from the weights of a checkpoint.

The PFE has the inputs of SmallMunich's split and pools by maximum; batch norms are folded into the layers before them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import Layer, Layers
from pointpillars_ov_ros.conversion.checkpoint_layouts import Layout, State
from pointpillars_ov_ros.conversion.torch_file import TorchFile
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.model.ports import pfe_ports

BATCH_NORM_EPSILON = 1e-3
"""Epsilon of every batch norm in OpenPCDet, mmdet3d and zhulf0804/PointPillars; checkpoints do not contain it."""

DECORATED = 9
"""Values per point that every PFE has; a tenth is 1 for a point and 0 in an empty slot."""
_AXIS_CHANNELS, _AXIS_SLOTS = 1, 3


class Linear(NamedTuple):
    """Weights with the batch norm folded in, float32."""

    weight: FloatArray
    bias: FloatArray


class WeightReader:
    """Reader for the layers of a checkpoint."""

    def __init__(self, file: TorchFile, state: State) -> None:
        """Read from the tensors of `state`, which are in `file`."""
        self._file = file
        self._state = state

    def read(self, layer: Layer) -> Linear:
        """Read a layer with its batch norm folded in; BundleError if a value is not finite."""
        weight = self._tensor(layer.weight)
        if not layer.norm:
            return Linear(weight.astype(np.float32), self._tensor(layer.bias).astype(np.float32))
        gain, shift, mean, variance = (
            self._tensor(f"{layer.norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        if variance.min(initial=0.0) < 0.0:
            raise BundleError(f"{self._file.path}: key '{layer.norm}.running_var' has negative values")
        scale = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
        across = [1] * weight.ndim
        across[1 if layer.transposed else 0] = -1
        return Linear((weight * scale.reshape(across)).astype(np.float32), (shift - mean * scale).astype(np.float32))

    def _tensor(self, name: str) -> npt.NDArray[np.float64]:
        values = self._file.array(self._state[name]).astype(np.float64)
        if not np.isfinite(values).all():
            raise BundleError(f"{self._file.path}: key {name!r} has values that are not finite")
        return values


def decorate_weights(linear: Linear, layout: Layout, config: ModelConfig) -> Linear:
    """Convert the weights of a PFE's layer to the decoration of this package.

    That is x, y, z, intensity, x y z from the mean of the pillar, x y from its centre. OpenPCDet's height above the
    middle of the pillar needs one more value, which is 1 for every point (and 0 in empty slots).
    """
    weight = linear.weight.reshape(len(linear.weight), -1).astype(np.float64)
    if layout.is_centered:
        axes = weight.shape[1] - DECORATED + 2
        weight[:, 7 : 7 + axes] += weight[:, :axes]
        weight[:, :axes] = 0.0
    if weight.shape[1] > DECORATED:
        low, high = config.grid.z_range
        weight[:, 2] += weight[:, DECORATED]
        weight[:, DECORATED] *= -(low + high) / 2
    return Linear(weight.astype(np.float32), linear.bias)


def build_pfe(config: ModelConfig, linear: Linear) -> ov.Model:
    """Build the PFE of `config`: decorate, linear layer, ReLU, maximum over the slots of a pillar."""
    ports = pfe_ports(config, config.grid.max_pillars)
    names = {field: getattr(config.pfe.inputs, field) for field in DensePfeInputs._fields}
    inputs = {field: parameter(name, ports.inputs[name]) for field, name in names.items()}
    xyz = ops.concat([inputs["x"], inputs["y"], inputs["z"]], _AXIS_CHANNELS)
    total = ops.reduce_sum(xyz, np.array([_AXIS_SLOTS]), keep_dims=True)
    # [1, P] to [1, 1, P, 1], whatever P is reshaped to.
    count = ops.unsqueeze(inputs["num_points"], np.array([_AXIS_CHANNELS, _AXIS_SLOTS]))
    parts = [
        xyz,
        inputs["intensity"],
        ops.subtract(xyz, ops.divide(total, count)),
        ops.subtract(inputs["x"], inputs["center_x"]),
        ops.subtract(inputs["y"], inputs["center_y"]),
    ]
    decorated = ops.multiply(ops.concat(parts, _AXIS_CHANNELS), inputs["mask"])
    if linear.weight.shape[1] > DECORATED:
        decorated = ops.concat([decorated, inputs["mask"]], _AXIS_CHANNELS)
    kernel = linear.weight[:, :, None, None]
    hidden = ops.relu(convolve(decorated, Linear(kernel, linear.bias), "pfn.linear"))
    pooled = ops.reduce_max(hidden, np.array([_AXIS_SLOTS]), keep_dims=True)
    return finish({config.pfe.output: pooled}, list(inputs.values()), "pfe")


def build_rpn(config: ModelConfig, layers: Layers, reader: WeightReader) -> ov.Model:
    """Build the backbone and the heads of `config`."""
    canvas = parameter(config.rpn.input, config.canvas_shape)
    data, upsampled = canvas, []
    for b, (block, upsampling) in enumerate(zip(layers.blocks, layers.upsamplings, strict=True)):
        for index, layer in enumerate(block):
            name = f"blocks.{b}.{index}"
            data = ops.relu(convolve(data, reader.read(layer), name, layer.stride, pad=1))
        upsampled.append(ops.relu(deconvolve(data, reader.read(upsampling), f"upsampling.{b}", upsampling.stride)))
    joined = ops.concat(upsampled, _AXIS_CHANNELS)
    results = {}
    for name, layer in zip((config.rpn.boxes, config.rpn.scores, config.rpn.directions), layers.heads, strict=True):
        head = convolve(joined, reader.read(layer), f"head.{name}")
        results[name] = ops.transpose(head, np.array([0, 2, 3, 1]))
    return finish(results, [canvas], "rpn")


def parameter(name: str, shape: tuple[int, ...]) -> ov.Node:
    """Return a float32 input named `name`."""
    node = ops.parameter(list(shape), np.float32, name=name)
    node.output(0).set_names({name})
    return node


def convolve(data: ov.Node, linear: Linear, name: str, stride: int = 1, pad: int = 0) -> ov.Node:
    """Add a convolution and its bias."""
    made = ops.convolution(data, linear.weight, [stride] * 2, [pad] * 2, [pad] * 2, [1, 1], name=name)
    return add_bias(made, linear)


def deconvolve(data: ov.Node, linear: Linear, name: str, stride: int) -> ov.Node:
    """Add a transposed convolution whose kernel is as large as its stride, and its bias."""
    return add_bias(ops.convolution_backprop_data(data, linear.weight, [stride] * 2, name=name), linear)


def add_bias(node: ov.Node, linear: Linear) -> ov.Node:
    """Add the bias, per channel."""
    return ops.add(node, linear.bias.reshape(1, -1, 1, 1))


def finish(results: dict[str, ov.Node], inputs: list[ov.Node], name: str) -> ov.Model:
    """Return the model with these results, each under its name."""
    for output, node in results.items():
        node.output(0).set_names({output})
    return ov.Model(list(results.values()), inputs, name)
