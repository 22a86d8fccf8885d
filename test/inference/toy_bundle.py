# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A complete bundle of toy networks for the CPU, one of which fails, hangs or returns NaN if a cloud is too bright."""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.model.bundle import ModelBundle, ir_files, write_bundle
from pointpillars_ov_ros.model.ports import rpn_ports
from test.builders import Points, random_cloud, tiny_config
from test.inference.toy_models import parameter, save_toy_pfe

_STEPS = 250_000
"""Number of steps, of about 7 us each."""
_TOO_BRIGHT = 1e4
_SIZE = 64


class Trouble(Enum):
    """Effect of a cloud that is too bright."""

    FAILS = 0
    """The plugin throws while the inference runs."""
    HANGS = 1
    """The inference runs for seconds."""
    NEVER_ENDS = 2
    """The inference runs for weeks."""
    GIVES_NAN = 3
    """Every output is NaN."""


class Weakness(NamedTuple):
    """The network that does not bear bright clouds."""

    network: str
    trouble: Trouble


def save_toy_bundle(folder: Path, weakness: Weakness | None = None, seed: int = 5) -> ModelBundle:
    """Write the bundle of the tiny model; other seeds give RPNs with other weights and names."""
    config = dataclasses.replace(tiny_config(), name=f"toy_{seed}")
    sources = folder / "sources"
    sources.mkdir(parents=True)
    core = ov.Core()
    plain = dataclasses.replace(config, pfe=dataclasses.replace(config.pfe, file="plain.xml"))
    pfe = core.read_model(save_toy_pfe(sources, plain))
    rpn = toy_rpn(config, seed)
    if weakness is not None:
        model, watched = (pfe, config.pfe.inputs.intensity) if weakness.network == "pfe" else (rpn, config.rpn.input)
        weaken(model, watched, weakness.trouble)
    for model, file in ((pfe, config.pfe.file), (rpn, config.rpn.file)):
        ov.save_model(model, sources / file, compress_to_fp16=False)
    return write_bundle(config, {name: sources / name for name in ir_files(config)}, folder / "bundle")


def toy_cloud(number: int, bright: bool = False) -> Points:
    """Return a different cloud for each number; a bright one has one point with an extreme intensity."""
    cloud = random_cloud(np.random.default_rng(number), 60, tiny_config().grid)
    cloud[0] = (1.0, 0.0, -1.0, (100 + number) * _TOO_BRIGHT if bright else 0.5)
    return cloud


def toy_rpn(config: ModelConfig, seed: int = 5) -> ov.Model:
    """Return an RPN that computes a weighted sum of the cells under an output cell."""
    ports, stride = rpn_ports(config), config.rpn.stride
    canvas = parameter(config.rpn.input, config.canvas_shape)
    random, results = np.random.default_rng(seed), []
    for name, shape in ports.outputs.items():
        weights = random.normal(0.0, 0.01, (shape[3], config.rpn.channels, stride, stride)).astype(np.float32)
        head = ops.convolution(canvas, weights, [stride] * 2, [0, 0], [0, 0], [1, 1])
        result = ops.transpose(ops.tanh(head), np.array([0, 2, 3, 1]))
        result.output(0).set_names({name})
        results.append(result)
    return ov.Model(results, [canvas], "rpn")


def weaken(model: ov.Model, watched: str, trouble: Trouble) -> None:
    """Let outputs of a model depend on whether its input `watched` is too bright; where it is not, their values stay.

    Only the first output where that is enough to stop the whole inference.
    """
    brightest = ops.reduce_max(model.input(watched), np.arange(4), keep_dims=False)
    excess = ops.convert(ops.floor(ops.divide(brightest, np.float32(_TOO_BRIGHT))), "i64")
    if trouble is Trouble.GIVES_NAN:
        number = ops.select(ops.greater(excess, np.int64(0)), np.float32(np.nan), np.float32(0))
        ends = [result.input(0) for result in model.get_results()]
    else:
        steps = _STEPS if trouble is Trouble.HANGS else 1_000_000 * _STEPS
        wasted = _impossible(excess) if trouble is Trouble.FAILS else _endless(excess, steps)
        number, ends = ops.multiply(wasted, np.float32(0)), [model.get_results()[0].input(0)]
    for end in ends:
        source = end.get_source_output()
        names = source.get_names()
        result = ops.add(source, number)
        result.output(0).set_names(names)
        end.replace_source_output(result.output(0))


def _impossible(excess: ov.Node) -> ov.Node:
    """Return a number that cannot be worked out if `excess` is above 0: six ones do not fill two rows of four.

    Once it has failed, the plugin lets the same shape pass, so each cloud must ask for another one.
    """
    wanted = ops.concat([np.array([2]), ops.unsqueeze(ops.add(excess, np.int64(3)), np.array(0))], 0)
    six = ops.reshape(ops.constant(np.ones(6, np.float32)), wanted, special_zero=False)
    return ops.reduce_sum(six, np.array([0, 1]), keep_dims=False)


def _endless(excess: ov.Node, count: int) -> ov.Node:
    """Return a number that takes `count` steps to compute if `excess` is above 0."""
    steps = ops.multiply(ops.minimum(excess, np.int64(1)), np.int64(count))
    before = ops.parameter([_SIZE, _SIZE], np.float32)
    after = ops.matmul(before, np.full((_SIZE, _SIZE), 1 / _SIZE, np.float32), False, False)
    go_on = ops.constant(True, dtype=bool)
    loop = ops.loop(steps, ops.constant(True, dtype=bool))
    loop.set_function(ov.Model([after, go_on], [before], "body"))
    loop.set_special_body_ports([-1, 1])
    start = ops.constant(np.ones((_SIZE, _SIZE), np.float32))
    loop.set_merged_input(before, start.output(0), after.output(0))
    return ops.reduce_mean(loop.get_iter_value(after.output(0), -1), np.array([0, 1]), keep_dims=False)
