# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The host encoder against the PFE network it was read from, and the choice between the two."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, PfeShape, RuntimeConfig
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.engine import warm_up_cloud
from pointpillars_ov_ros.inference.slot.encoder_choice import EncoderFactory, encode, time_ms
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.builders import tiny_config

POOLINGS = ("maximum", "convolution")
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def build_pfe(config: ModelConfig, pooling: str, swap: bool = False) -> ov.Model:
    """Build a PFE as exported by SmallMunich; with `swap` the centre comes before the mean, as in no known export."""
    rng = np.random.default_rng(3)
    names, slots, channels = config.pfe.inputs, config.grid.max_points_per_pillar, config.rpn.channels
    shape = [1, 1, config.grid.max_pillars, slots]

    def parameter(name: str, dims: list[int]) -> ov.Node:
        node = ops.parameter(dims, np.float32, name=name)
        node.output(0).set_names({name})
        return node

    x, y, z, intensity, center_x, center_y, mask = (
        parameter(n, shape)
        for n in (names.x, names.y, names.z, names.intensity, names.center_x, names.center_y, names.mask)
    )
    count = parameter(names.num_points, [1, config.grid.max_pillars])
    xyz = ops.concat([x, y, z], 1)
    divisor = ops.reshape(count, ops.constant(np.array([1, 1, -1, 1], np.int64)), False)
    mean = ops.divide(ops.reduce_sum(xyz, ops.constant(np.int64(3)), True), divisor)
    parts = [ops.subtract(xyz, mean), ops.subtract(x, center_x), ops.subtract(y, center_y)]
    decorated = ops.concat([x, y, z, intensity, *(parts[1:] + parts[:1] if swap else parts)], 1)
    hidden = convolve(ops.multiply(decorated, mask), rng.normal(size=(channels, 9, 1, 1)), rng.normal(size=channels), 1)
    hidden = ops.relu(hidden)
    if pooling == "maximum":
        pooled = ops.reduce_max(hidden, ops.constant(np.int64(3)), True)
    else:
        taps = (slots - 1) // 2 + 1
        pooled = convolve(hidden, rng.normal(size=(channels, channels, 1, taps)), rng.normal(size=channels), 2)
    pooled.output(0).set_names({config.pfe.output})
    return ov.Model([pooled], [x, y, z, intensity, count, center_x, center_y, mask], "pfe")


def convolve(node: ov.Node, weights: np.ndarray, bias: np.ndarray, dilation: int) -> ov.Node:
    kernel = ops.constant(weights.astype(np.float32))
    out = ops.convolution(node, kernel, [1, 1], [0, 0], [0, 0], [1, dilation])
    return ops.add(out, ops.constant(bias.astype(np.float32).reshape(1, -1, 1, 1)))


def bundle_of(tmp_path: Path, pooling: str, swap: bool = False) -> ModelBundle:
    config = tiny_config()
    ov.save_model(build_pfe(config, pooling, swap), tmp_path / config.pfe.file, compress_to_fp16=False)
    return ModelBundle(config, tmp_path)


def factory(bundle: ModelBundle, choice: EncoderChoice, shape: PfeShape = PfeShape.STATIC, block: int = 16):
    runtime = RuntimeConfig(encoder=choice, pfe_shape=shape, pfe_block=block)
    return EncoderFactory(bundle, runtime, EXACT, warm_up_cloud(bundle.config, 400))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    ("choice", "shape", "block"),
    [
        (EncoderChoice.HOST, PfeShape.STATIC, 0),
        (EncoderChoice.OPENVINO, PfeShape.STATIC, 7),
        (EncoderChoice.OPENVINO, PfeShape.DYNAMIC, 0),
    ],
)
def test_every_encoder_gives_the_features_of_the_whole_network(
    tmp_path: Path, pooling: str, choice: EncoderChoice, shape: PfeShape, block: int
) -> None:
    bundle = bundle_of(tmp_path, pooling)
    whole = factory(bundle, EncoderChoice.OPENVINO, PfeShape.STATIC, 0).make()
    other = factory(bundle, choice, shape, block).make()
    for size, seed in ((400, 1), (10, 2), (0, 3), (300, 4)):
        points, pillars = warm_up_cloud(bundle.config, size, seed), Pillars(bundle.config.grid)
        pillars.group(points)
        wanted = by_pillar(encode(whole, pillars), pillars.size)
        np.testing.assert_allclose(by_pillar(encode(other, pillars), pillars.size), wanted, atol=2e-4)


def by_pillar(features: np.ndarray, size: int) -> np.ndarray:
    return features.transpose(0, 2, 1).reshape(-1, features.shape[1])[:size]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_auto_says_what_it_took_and_why(tmp_path: Path, pooling: str) -> None:
    made = factory(bundle_of(tmp_path, pooling), EncoderChoice.AUTO)
    assert "ms on the host" in made.reason and "ms on CPU" in made.reason
    assert (made.network is None) == (made.kind is EncoderChoice.HOST)


def test_auto_does_not_encode_on_an_npu(tmp_path: Path) -> None:
    """Nothing is compiled for it, so that this needs none."""
    bundle = bundle_of(tmp_path, "maximum")
    made = EncoderFactory(bundle, RuntimeConfig(pfe_device="NPU"), EXACT, warm_up_cloud(bundle.config, 400))
    assert made.kind is EncoderChoice.HOST
    assert "NPU" in made.reason


def test_a_network_that_decorates_in_another_order_is_not_encoded_on_the_host(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, "maximum", swap=True)
    with pytest.raises(BundleError, match="off by"):
        factory(bundle, EncoderChoice.HOST)
    made = factory(bundle, EncoderChoice.AUTO)
    assert made.kind is EncoderChoice.OPENVINO and "off by" in made.reason


def test_a_network_of_another_kind_is_refused_in_a_sentence(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, "maximum")
    config = dataclasses.replace(bundle.config, rpn=dataclasses.replace(bundle.config.rpn, channels=5))
    with pytest.raises(BundleError, match="shape"):
        factory(ModelBundle(config, tmp_path), EncoderChoice.HOST)


@pytest.mark.parametrize(("enough_ms", "rounds"), [(0.0, 1), (math.inf, 3)])
def test_what_is_clearly_slow_is_timed_once(enough_ms: float, rounds: int) -> None:
    calls: list[int] = []
    time_ms(lambda: calls.append(1), enough_ms)
    assert len(calls) == rounds
