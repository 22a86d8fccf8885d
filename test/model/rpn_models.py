# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small random RPNs, float and INT8, built node by node: two stages, upsampled by 1 and k, three heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import opset13 as ops

SHAPE = (1, 16, 16, 24)
"""Shape of the canvas, NCHW."""
CANVAS_RANGE = (-4.0, 4.0 * 127 / 128)
ACTIVATION_RANGE = (0.0, 6.0)
HEADS = {"boxes": 14, "scores": 2, "directions": 4}


@dataclass(frozen=True)
class RpnVariant:
    """Kind of RPN to build."""

    int8: bool = False
    batch_norm: bool = False
    transposed: bool = True
    overlap: int = 0
    """Cells by which the kernels of the deconvolution exceed its stride."""
    canvas_range: tuple[float, float] = CANVAS_RANGE
    separate_quantizers: bool = False
    """Every head has a FakeQuantize of its own."""
    fake_weights: bool = False
    """Weights are float under a FakeQuantize, not int8."""
    float_heads: bool = False
    """No quantizer lies between the deconvolutions and the heads."""


class RpnBuilder:
    """Builds one; every layer draws its weights from one generator."""

    def __init__(self, variant: RpnVariant, seed: int = 1) -> None:
        self._variant = variant
        self._random = np.random.default_rng(seed)

    def build(self) -> ov.Model:
        """Return the model; input 'canvas', outputs as in HEADS."""
        variant = self._variant
        canvas = ops.parameter(list(SHAPE), np.float32, name="canvas")
        canvas.output(0).set_names({"canvas"})
        first = self.activate(self.convolve(self.quantize(canvas, *variant.canvas_range), 16, 3, 1))
        second = self.activate(self.convolve(first, 32, 3, 4))
        joined = ops.concat([self.upsample(first, 16, 1), self.upsample(second, 16, 4)], 1)
        if not (variant.separate_quantizers or variant.float_heads):
            joined = self.quantize(joined)
        results = []
        for name, channels in HEADS.items():
            head = self.convolve(self.quantize(joined) if variant.separate_quantizers else joined, channels, 1, 1)
            result = ops.add(head, self.values(1, channels, 1, 1))
            if variant.transposed:
                result = ops.transpose(result, np.array([0, 2, 3, 1]))
            result.output(0).set_names({name})
            results.append(result)
        return ov.Model(results, [canvas], "rpn")

    def values(self, *shape: int) -> np.ndarray:
        """Draw values around 0."""
        return self._random.normal(0.0, 0.3, shape).astype(np.float32)

    def quantize(self, node: ov.Node, low: float = ACTIVATION_RANGE[0], high: float = ACTIVATION_RANGE[1]) -> ov.Node:
        """Add a FakeQuantize with 256 levels if the network is INT8."""
        if not self._variant.int8:
            return node
        limits = [np.float32(low), np.float32(high)] * 2
        return ops.fake_quantize(node, *limits, 256)

    def weights(self, shape: tuple[int, ...], out_axis: int) -> ov.Node:
        """Draw weights; if the network is INT8, as int8 with a scale for each output channel."""
        if not self._variant.int8:
            return ops.constant(self.values(*shape))
        if self._variant.fake_weights:
            values = self.values(*shape)
            bound = np.abs(values).max(tuple(axis for axis in range(4) if axis != out_axis), keepdims=True)
            return ops.fake_quantize(values, -bound, bound, -bound, bound, 255)
        levels = self._random.integers(-127, 128, shape).astype(np.int8)
        scales = np.ones(4, int)
        scales[out_axis] = shape[out_axis]
        scale = self._random.uniform(0.001, 0.003, scales).astype(np.float32)
        centred = ops.subtract(ops.convert(ops.constant(levels), "f32"), np.zeros(scales, np.float32))
        return ops.multiply(centred, scale)

    def convolve(self, node: ov.Node, channels: int, kernel: int, stride: int) -> ov.Node:
        """Return a convolution that keeps the size except for its stride."""
        margin = [kernel // 2] * 2
        weights = self.weights((channels, node.get_output_shape(0)[1], kernel, kernel), 0)
        return ops.convolution(node, weights, [stride] * 2, margin, margin, [1, 1])

    def upsample(self, node: ov.Node, channels: int, stride: int) -> ov.Node:
        """Return a deconvolution and its activation."""
        kernel, overlap = stride + self._variant.overlap, self._variant.overlap
        before, after = overlap // 2, overlap - overlap // 2
        weights = self.weights((node.get_output_shape(0)[1], channels, kernel, kernel), 1)
        margins = [before] * 2, [after] * 2, [1, 1]
        made = ops.convolution_backprop_data(node, weights, [stride] * 2, None, *margins)
        return ops.relu(made) if self._variant.float_heads else self.activate(made)

    def activate(self, node: ov.Node) -> ov.Node:
        """Return bias or batch norm, ReLU and FakeQuantize."""
        channels = node.get_output_shape(0)[1]
        if self._variant.batch_norm:
            gamma, beta, mean = (self.values(channels) for _ in range(3))
            variance = self._random.uniform(0.5, 2.0, channels).astype(np.float32)
            node = ops.batch_norm_inference(node, gamma, beta, mean, variance, 1e-3)
            node = ops.multiply(node, self.values(1, channels, 1, 1) + 1)
        return self.quantize(ops.relu(ops.add(node, self.values(1, channels, 1, 1))))


def build_rpn(variant: RpnVariant, seed: int = 1) -> ov.Model:
    """Return a small RPN; the same for the same arguments."""
    return RpnBuilder(variant, seed).build()


def random_canvas(seed: int = 2) -> np.ndarray:
    """Draw a canvas as the real ones are, most of it blank; some values beyond CANVAS_RANGE."""
    random = np.random.default_rng(seed)
    occupied = random.random((1, 1, *SHAPE[2:])) < 0.2
    return (random.normal(0.0, 2.0, SHAPE) * occupied).astype(np.float32)
