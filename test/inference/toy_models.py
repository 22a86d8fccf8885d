# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Toy networks, built node by node and saved as IR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.model.ports import pfe_ports


def parameter(name: str, shape: tuple[int, ...], kind: type = np.float32) -> ov.Node:
    """Return an input tensor called `name`."""
    node = ops.parameter(list(shape), kind, name=name)
    node.output(0).set_names({name})
    return node


def save(result: ov.Node, output: str, inputs: list[ov.Node], path: Path) -> Path:
    """Save the graph that ends in `result`, whose tensor is called `output`."""
    result.output(0).set_names({output})
    ov.save_model(ov.Model([result], inputs, path.stem), path, compress_to_fp16=False)
    return path


def save_doubler(folder: Path, shape: tuple[int, ...] = (1, 4), kind: type = np.float32) -> Path:
    """Save a network that doubles its input: 'in' to 'out'."""
    values = parameter("in", shape, kind)
    return save(ops.multiply(values, np.array(2, kind)), "out", [values], folder / "doubler.xml")


def save_reshaper(folder: Path) -> Path:
    """Save a network that returns the sum of six ones reshaped to the rows and columns in 'in'.

    It fails at run time unless their product is six.
    """
    wanted = parameter("in", (2,))
    six = ops.constant(np.ones(6, np.float32))
    reshaped = ops.reshape(six, ops.convert(wanted, "i64"), special_zero=False)
    total = ops.reduce_sum(reshaped, np.array([0, 1]), keep_dims=False)
    return save(ops.reshape(total, np.array([1]), special_zero=False), "out", [wanted], folder / "reshaper.xml")


def save_toy_pfe(folder: Path, config: ModelConfig) -> Path:
    """Save a PFE whose features are weighted sums over the point slots of a pillar, divided by its points."""
    ports = pfe_ports(config, config.grid.max_pillars)
    inputs = {
        field: parameter(getattr(config.pfe.inputs, field), ports.inputs[getattr(config.pfe.inputs, field)])
        for field in DensePfeInputs._fields
    }
    dense = ops.concat([node for field, node in inputs.items() if field != "num_points"], 1)
    weights = np.arange(1.0, 1.0 + config.rpn.channels * 7, dtype=np.float32)
    mixed = ops.convolution(dense, weights.reshape(config.rpn.channels, 7, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])
    summed = ops.reduce_sum(mixed, np.array([3]), keep_dims=True)
    points = ops.unsqueeze(ops.unsqueeze(inputs["num_points"], np.array(0)), np.array(3))
    result = ops.divide(summed, points)
    return save(result, config.pfe.output, list(inputs.values()), folder / config.pfe.file)
