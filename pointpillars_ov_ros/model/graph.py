# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers to read and rebuild pieces of an OpenVINO graph: constants, weights, chains of element-wise nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

Array = npt.NDArray[Any]
Change = Callable[[Array], Array]

FLOAT_TYPES = (ov.Type.f32, ov.Type.f16)
PLAIN_TYPES = (*FLOAT_TYPES, ov.Type.i8, ov.Type.u8)
"""Element types that NumPy stores value by value, unlike packed ones such as 4-bit weights."""

BINARY = {"Add": ops.add, "Subtract": ops.subtract, "Multiply": ops.multiply}


class UnfamiliarGraphError(Exception):
    """A piece of the graph does not have the form that a rewriting handles; it stays as it is."""


def find(model: ov.Model, kind: str) -> list[ov.Node]:
    """List the nodes of a type, in topological order."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == kind]


def source(node: ov.Node, index: int = 0) -> ov.Node:
    """Return the node that an input comes from."""
    return node.input_value(index).get_node()


def sole_consumer(output: ov.Output) -> ov.Node | None:
    """Return the only node that reads `output`, None if there are several."""
    targets = output.get_target_inputs()
    return next(iter(targets)).get_node() if len(targets) == 1 else None


def value(node: ov.Node) -> Array:
    """Return the values of a constant; UnfamiliarGraphError if it is not one or not stored value by value."""
    if node.get_type_name() != "Constant" or node.get_element_type() not in PLAIN_TYPES:
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} is not a plain constant")
    data: Array = node.get_data()
    return data


def scalar(node: ov.Node) -> float:
    """Return the value of a constant with one element."""
    data = value(node)
    if data.size != 1:
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} has {data.size} values, not one")
    return float(data.reshape(-1)[0])


def is_fixed(node: ov.Node) -> bool:
    """Whether the node is a float constant, possibly stored in another float type (f16 in small files)."""
    kind = node.get_type_name()
    if kind == "Convert":
        return is_fixed(source(node))
    return kind == "Constant" and node.get_element_type() in FLOAT_TYPES


def fixed_value(node: ov.Node) -> Array:
    """Return the values of a fixed node as float32."""
    if node.get_type_name() == "Convert":
        return fixed_value(source(node))
    return value(node).astype(np.float32)


def per_channel(constant: Array) -> Array:
    """Return a constant with one value, or one per channel of [1, channels, y, x], as [1, channels or 1, 1, 1]."""
    shape = (1,) * (4 - constant.ndim) + constant.shape
    if len(shape) != 4 or shape[0] * shape[2] * shape[3] != 1:
        raise UnfamiliarGraphError(f"a constant of shape {constant.shape} does not hold one value per channel")
    return constant.reshape(shape)


def like(node: ov.Node, inputs: list[ov.Node]) -> ov.Node:
    """Return a node of the same operation and name over other inputs."""
    kind = node.get_type_name()
    if kind == "Convert":
        made = ops.convert(inputs[0], node.get_element_type().to_string())
    elif kind == "Relu":
        made = ops.relu(inputs[0])
    elif kind == "FakeQuantize":
        made = ops.fake_quantize(*inputs, node.get_attributes()["levels"])
    elif kind in BINARY:
        made = BINARY[kind](*inputs)
    else:
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} is a {kind}")
    made.set_friendly_name(node.get_friendly_name())
    return made


def rebuild(weights: list[ov.Node], change: Callable[[list[Array]], Array]) -> ov.Node:
    """Merge weight expressions of the same form into one; `change` merges their constants.

    Weights are a constant, or constants under Convert, Subtract, Multiply and FakeQuantize. The dequantization is kept,
    so that the plugin still recognizes it.
    """
    first = weights[0]
    forms = {(node.get_type_name(), node.get_input_size(), node.get_element_type().to_string()) for node in weights}
    if len(forms) != 1:
        raise UnfamiliarGraphError(f"{first.get_friendly_name()} and its siblings have different forms")
    if first.get_type_name() == "Constant":
        made = ops.constant(np.ascontiguousarray(change([value(node) for node in weights])))
        made.set_friendly_name(first.get_friendly_name())
        return made
    columns = [[source(node, index) for node in weights] for index in range(first.get_input_size())]
    return like(first, [rebuild(column, change) for column in columns])


def next_step(output: ov.Output) -> ov.Node | None:
    """Return the element-wise node that alone reads `output`, None if there is none.

    Element-wise are Relu, Convert, and FakeQuantize, Add, Subtract and Multiply by constants.
    """
    node = sole_consumer(output)
    if node is None or node.get_type_name() not in {"Relu", "Convert", "FakeQuantize", *BINARY}:
        return None
    fixed = [is_fixed(source(node, index)) for index in range(node.get_input_size())]
    return node if not fixed[0] and all(fixed[1:]) else None


def rebuild_step(steps: list[ov.Node], data: ov.Node, change: Callable[[list[Array]], Array]) -> ov.Node:
    """Merge element-wise nodes of the same form into one over `data`; `change` merges their constants."""
    columns = [[source(step, index) for step in steps] for index in range(1, steps[0].get_input_size())]
    return like(steps[0], [data, *(rebuild(column, change) for column in columns)])


def fold_batch_norm(node: ov.Node) -> None:
    """Fold the per-channel scales and shifts after a float convolution into its weights and one Add."""
    axis = 1 if node.get_type_name() == "ConvolutionBackpropData" else 0
    if not is_fixed(source(node, 1)):
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} has quantized weights")
    end, scale, shift, scaled = node.output(0), np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1)), False
    while (factors := _scale_and_shift(end)) is not None:
        step, step_scale, step_shift = factors
        scale, shift = scale * step_scale, shift * step_scale + step_shift
        scaled = scaled or step.get_type_name() not in {"Add", "Subtract"}
        end = step.output(0)
    if not scaled:
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} has nothing to fold")
    kind = node.get_element_type().to_dtype()
    weights = fixed_value(source(node, 1)) * (scale.transpose(1, 0, 2, 3) if axis == 0 else scale)
    node.input(1).replace_source_output(ops.constant(weights.astype(kind)).output(0))
    end.replace(ops.add(node, shift.astype(kind)).output(0))


def _scale_and_shift(end: ov.Output) -> tuple[ov.Node, Array, Array] | None:
    """Return the node that alone reads `end`, with its scale and shift, if it is linear per channel."""
    step = sole_consumer(end)
    if step is not None and step.get_type_name() == "BatchNormInference":
        parts = [fixed_value(source(step, index)).reshape(1, -1, 1, 1) for index in range(1, 5)]
        gamma, beta, mean, variance = (part.astype(np.float64) for part in parts)
        gain = gamma / np.sqrt(variance + step.get_attributes()["epsilon"])
        return step, gain, beta - mean * gain
    step = next_step(end)
    if step is None or step.get_type_name() not in {"Add", "Subtract", "Multiply"}:
        return None
    constant = per_channel(fixed_value(source(step, 1))).astype(np.float64)
    if step.get_type_name() == "Multiply":
        return step, constant, np.zeros_like(constant)
    return step, np.ones_like(constant), constant if step.get_type_name() == "Add" else -constant


def unroll(constant: Array, block: int, channels: int) -> Array:
    """Convert a constant over deconvolution weights [in, out, k, k] to one over [k * k * out, in, 1, 1]."""
    if constant.size == 1:
        return constant
    if constant.ndim != 4:
        raise UnfamiliarGraphError(f"weights with a constant of shape {constant.shape}")
    turned = constant.transpose(2, 3, 1, 0)
    if turned.shape[:3] == (1, 1, 1):
        return turned.reshape(1, -1, 1, 1)
    return np.broadcast_to(turned, (block, block, channels, turned.shape[3])).reshape(-1, turned.shape[3], 1, 1)


def tile(constant: Array, block: int) -> Array:
    """Repeat a constant over [1, out, y, x] for the k * k blocks of channels."""
    if constant.size == 1:
        return constant
    channels = per_channel(constant)
    return np.tile(channels, (1, block * block, 1, 1))


def stack(constants: list[Array], sizes: list[int]) -> Array:
    """Concatenate constants over weights [out, in, 1, 1] along the first axis."""
    full = [constant.reshape((1,) * (4 - constant.ndim) + constant.shape) for constant in constants]
    inner = np.broadcast_shapes(*(constant.shape[1:] for constant in full))
    return np.concatenate([np.broadcast_to(part, (size, *inner)) for part, size in zip(full, sizes, strict=True)])


def join(constants: list[Array], sizes: list[int]) -> Array:
    """Concatenate constants over [1, out, y, x] along the second axis."""
    pairs = zip(constants, sizes, strict=True)
    return np.concatenate([np.broadcast_to(per_channel(part), (1, size, 1, 1)) for part, size in pairs], 1)


def same_steps(ends: list[ov.Output]) -> list[ov.Node] | None:
    """Return the element-wise nodes that follow `ends`, if all are of one kind."""
    steps = [next_step(end) for end in ends]
    kinds = {
        None
        if step is None
        else (step.get_type_name(), step.get_element_type().to_string(), step.get_attributes().get("levels"))
        for step in steps
    }
    return None if len(kinds) > 1 or None in kinds else [step for step in steps if step is not None]


def pointwise(data: ov.Output, weights: ov.Node, name: str) -> ov.Node:
    """Return a 1x1 convolution."""
    return ops.convolution(data, weights, [1, 1], [0, 0], [0, 0], [1, 1], name=name)


def is_pointwise(node: ov.Node) -> bool:
    """Whether a convolution is 1x1 without stride or padding."""
    attributes, weights = node.get_attributes(), node.get_input_partial_shape(1)
    margins = {*attributes["pads_begin"], *attributes["pads_end"]}
    kernel = weights.to_shape()[2:] if weights.is_static else None
    return kernel == [1, 1] and attributes["strides"] == [1, 1] and margins == {0}


def identity(output: ov.Output) -> tuple[object, ...]:
    """Return a key that is equal for outputs with equal values: one output, or equal FakeQuantizes of one."""
    node = output.get_node()
    limits = [source(node, index) for index in range(1, node.get_input_size())]
    if node.get_type_name() != "FakeQuantize" or not all(is_fixed(limit) for limit in limits):
        return node.get_name(), output.get_index()
    values = [(tuple(limit.get_output_shape(0)), fixed_value(limit).tobytes()) for limit in limits]
    return *identity(node.input_value(0)), node.get_attributes()["levels"], *values
