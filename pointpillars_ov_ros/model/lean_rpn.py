# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rewriting of the RPN's graph into what the CPU plugin runs fastest, with the same outputs.

The rewritings are independent of each other and skip what they do not recognize. benchmarks/lean_rpn.py measures the
gain of each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.core.scatter import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.model.graph import (
    UnfamiliarGraphError,
    find,
    fold_batch_norm,
    identity,
    is_pointwise,
    join,
    next_step,
    pointwise,
    rebuild,
    rebuild_step,
    same_steps,
    scalar,
    sole_consumer,
    source,
    stack,
    tile,
    unroll,
)

_LOG = logging.getLogger(__name__)

RT_INFO = ["pointpillars_ov_ros", "canvas"]
"""Key under which a rewritten model records its canvas format, so that it can be saved and read again."""
RT_NAMES = ("quantized", "scale", "offset")


@dataclass(frozen=True)
class LeanRpn:
    """A rewritten RPN and the format of its canvas."""

    model: ov.Model
    canvas: CanvasFormat


def make_lean(model: ov.Model) -> LeanRpn:
    """Rewrite `model` in place: names, shapes and order of the outputs stay, the canvas may change its format.

    The input keeps its name; it is [1, ny, nx, C] if the format says NHWC. A model that was already rewritten, and
    possibly saved since, is recognized.
    """
    for kind in ("Convolution", "ConvolutionBackpropData"):
        for node in find(model, kind):
            _attempt(fold_batch_norm, node)
    for node in find(model, "ConvolutionBackpropData"):
        _attempt(unroll_deconvolution, node)
    for heads in sibling_heads(model):
        _attempt(merge_heads, heads)
    model.validate_nodes_and_infer_types()
    return LeanRpn(model, take_canvas(model))


def _attempt(rewriting: Callable[[Any], None], piece: Any) -> None:
    """Rewrite a piece of the graph, unless the rewriting does not handle its form."""
    try:
        rewriting(piece)
    except UnfamiliarGraphError as reason:
        _LOG.debug("%s: left unchanged: %s", rewriting.__name__, reason)


def unroll_deconvolution(node: ov.Node, in_float: bool = False) -> None:
    """Replace a deconvolution whose blocks of outputs do not overlap by a 1x1 convolution and a DepthToSpace.

    Kernel and stride are both k, so every input cell makes k x k output cells of its own. The plugin runs the 4 x 4
    deconvolution of PointPillars in float32 between INT8 neighbours, but the 1x1 convolution in INT8. The element-wise
    steps that follow (bias, ReLU, FakeQuantize) move before the shuffle, where the plugin fuses them into the
    convolution. In float32 the shuffle costs more than this gains, so only k = 1, which needs no shuffle, is replaced
    there, unless `in_float` requests all.
    """
    block, channels = _block_and_channels(node)
    if block > 1 and not in_float and source(node).get_type_name() != "FakeQuantize":
        raise UnfamiliarGraphError(f"{node.get_friendly_name()} is not INT8")
    weights = rebuild([source(node, 1)], lambda constants: unroll(constants[0], block, channels))
    made = pointwise(node.input_value(0), weights, node.get_friendly_name())
    end = node.output(0)
    if block > 1:
        while (step := next_step(end)) is not None:
            made = rebuild_step([step], made, lambda constants: tile(constants[0], block))
            end = step.output(0)
        made = ops.depth_to_space(made, "blocks_first", block)
        made.set_friendly_name(f"{node.get_friendly_name()}/shuffle")
    end.replace(made.output(0))


def _block_and_channels(node: ov.Node) -> tuple[int, int]:
    """Return k and the output channels of a deconvolution; UnfamiliarGraphError if its outputs overlap."""
    attributes, weights = node.get_attributes(), node.get_input_partial_shape(1)
    name = node.get_friendly_name()
    if node.get_input_size() != 2 or weights.is_dynamic or len(weights) != 4:
        raise UnfamiliarGraphError(f"{name} is not a plain two-dimensional deconvolution")
    _, channels, *kernel = weights.to_shape()
    apart = kernel == attributes["strides"] and kernel[0] == kernel[1]
    margins = {*attributes["pads_begin"], *attributes["pads_end"], *attributes["output_padding"]}
    if not apart or margins != {0} or attributes["auto_pad"] != "explicit":
        raise UnfamiliarGraphError(f"{name} has kernel {kernel}, strides {attributes['strides']} or padding")
    return kernel[0], channels


def sibling_heads(model: ov.Model) -> list[list[ov.Node]]:
    """List the groups of two or more 1x1 heads over the same input, or over equal FakeQuantizes of it.

    A head's result reaches an output without another convolution: elsewhere the split could cost more than it gains.
    """
    groups: dict[tuple[object, ...], list[ov.Node]] = {}
    for node in find(model, "Convolution"):
        if is_pointwise(node) and _is_head(node):
            groups.setdefault(identity(node.input_value(0)), []).append(node)
    return [group for group in groups.values() if len(group) > 1]


def _is_head(node: ov.Node) -> bool:
    """Whether only nodes that `node` alone feeds, and no convolution, lie between it and an output."""
    reader = sole_consumer(node.output(0))
    while reader is not None and reader.get_type_name() not in {"Result", "Convolution", "VariadicSplit"}:
        reader = sole_consumer(reader.output(0))
    return reader is not None and reader.get_type_name() == "Result"


def merge_heads(heads: list[ov.Node]) -> None:
    """Replace convolutions over the same input by one and split its output, so that the input is read only once.

    The split comes before the Transposes to NHWC, where it costs nothing: after one common Transpose the plugin would
    copy every part once more.
    """
    sizes = [head.get_input_partial_shape(1).to_shape()[0] for head in heads]
    weights = rebuild([source(head, 1) for head in heads], lambda constants: stack(constants, sizes))
    made = pointwise(heads[0].input_value(0), weights, "+".join(head.get_friendly_name() for head in heads))
    ends = [head.output(0) for head in heads]
    while (steps := same_steps(ends)) is not None:
        made = rebuild_step(steps, made, lambda constants: join(constants, sizes))
        ends = [step.output(0) for step in steps]
    parts = ops.variadic_split(made, 1, sizes)
    for end, part in zip(ends, parts.outputs(), strict=True):
        end.replace(part)


def take_canvas(model: ov.Model) -> CanvasFormat:
    """Replace the canvas by one in NHWC; if it has a FakeQuantize, replace both by one of uint8."""
    if model.has_rt_info(RT_INFO):
        quantized, scale, offset = (model.get_rt_info([*RT_INFO, name]).astype(float) for name in RT_NAMES)
        return CanvasFormat(CanvasLayout.NHWC, bool(quantized), scale, offset)
    try:
        canvas = _canvas(model)
        reader = _reader(canvas)
        if reader.get_type_name() == "Convolution":
            form, old = CanvasFormat(CanvasLayout.NHWC), canvas
        else:
            form, old = CanvasFormat(CanvasLayout.NHWC, True, *_scale_and_offset(reader)), reader
    except UnfamiliarGraphError as reason:
        _LOG.debug("canvas: left unchanged: %s", reason)
        return CanvasFormat(CanvasLayout.NCHW)
    replace_canvas(model, canvas, old, form)
    return form


def _canvas(model: ov.Model) -> ov.Node:
    """Return the only input; UnfamiliarGraphError if it is not [N, C, ny, nx] float32."""
    inputs = model.get_parameters()
    shapes = [node.get_output_partial_shape(0) for node in inputs]
    if len(inputs) != 1 or shapes[0].is_dynamic or len(shapes[0]) != 4 or inputs[0].get_element_type() != ov.Type.f32:
        raise UnfamiliarGraphError("the canvas is not the only input, or not [N, C, ny, nx] float32")
    return inputs[0]


def _reader(canvas: ov.Node) -> ov.Node:
    """Return the convolution or FakeQuantize that alone reads the canvas, possibly after a Convert."""
    node = sole_consumer(canvas.output(0))
    if node is not None and node.get_type_name() == "Convert":
        node = sole_consumer(node.output(0))
    if node is None or node.get_type_name() not in {"Convolution", "FakeQuantize"}:
        raise UnfamiliarGraphError("the canvas does not feed exactly one convolution or FakeQuantize")
    return node


def replace_canvas(model: ov.Model, canvas: ov.Node, old: ov.Node, form: CanvasFormat) -> None:
    """Replace `canvas` by one of the format `form`; consumers of `old` then read its values."""
    names, (batch, channels, rows, columns) = canvas.output(0).get_names(), canvas.get_output_shape(0)
    kind = ov.Type.u8 if form.quantized else ov.Type.f32
    fresh = ops.parameter([batch, rows, columns, channels], kind, canvas.get_friendly_name())
    made = fresh
    if form.quantized:
        # The form of the plugin's own quantized tensors. With the Transpose first, they stay INT8 only in f16 graphs.
        made = ops.convert(made, "f32")
        if form.zero_point:
            made = ops.subtract(made, np.float32(form.zero_point))
        made = ops.multiply(made, np.float32(form.scale))
        if old.get_element_type() != ov.Type.f32:
            made = ops.convert(made, old.get_element_type().to_string())
    made = ops.transpose(made, np.array([0, 3, 1, 2]))
    old.output(0).replace(made.output(0))
    model.add_parameters([fresh])
    model.remove_parameter(canvas)
    made.output(0).set_names(set())
    fresh.output(0).set_names(names)
    model.validate_nodes_and_infer_types()
    for name in RT_NAMES:
        model.set_rt_info(repr(float(getattr(form, name))), [*RT_INFO, name])


def _scale_and_offset(quantize: ov.Node) -> tuple[float, float]:
    """Return the step of a FakeQuantize and the level of 0; UnfamiliarGraphError if uint8 cannot represent it."""
    low, high, out_low, out_high = (scalar(source(quantize, index)) for index in range(1, 5))
    if (low, high) != (out_low, out_high) or quantize.get_attributes()["levels"] != 256 or not low <= 0 < high:
        raise UnfamiliarGraphError("the range or number of levels is not that of uint8")
    # In float32, as the plugin computes them: one value in 100 000 lies so close to the middle between two levels that
    # the last bit decides, and rounding it the other way makes a difference that grows from layer to layer.
    width = np.float32(high) - np.float32(low)
    scale, offset = float(width) / 255, float(-np.float32(low) * (np.float32(255) / width))
    # The plugin rounds the level of 0 as well, and tolerates as much.
    if abs(offset - round(offset)) > 0.1:
        raise UnfamiliarGraphError(f"0 lies between two levels: {offset:.3f}")
    return scale, offset
