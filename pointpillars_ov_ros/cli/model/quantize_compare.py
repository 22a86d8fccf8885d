# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of a bundle before and after quantization: detections of the same clouds, and times of the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import openvino as ov
from tqdm import tqdm

from pointpillars_ov_ros.cli.measurement.bare_networks import compile_pfe, compile_rpn, make_request
from pointpillars_ov_ros.cli.measurement.ratios import Estimate, estimate, paired_ratio, take_turns
from pointpillars_ov_ros.cli.measurement.workloads import run_bare
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, Precision, RuntimeConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.scatter import CanvasFormat
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.lean_rpn import make_lean
from pointpillars_ov_ros.model.ports import pfe_ports, rpn_ports
from pointpillars_ov_ros.quantization.check import margin_below
from pointpillars_ov_ros.quantization.data import Cloud
from pointpillars_ov_ros.quantization.quantize import Part

TURNS = 11


class Speed(NamedTuple):
    """Times of a network on the CPU, with its default precision, as a detector runs it."""

    before_ms: Estimate
    after_ms: Estimate
    ratio: Estimate
    """After / before, of pairs measured in turn."""
    canvas: CanvasFormat | None
    """For an RPN: format in which the host writes its input after quantization."""


def detect(bundle: ModelBundle, clouds: Sequence[Cloud], through_pfe: bool, title: str) -> list[Detections]:
    """Detect in every cloud on the CPU, in float32 except for INT8 layers, so that nothing else differs.

    Returns what `compare` needs, including detections slightly below the model's own threshold. With `through_pfe`,
    pillars are encoded by the PFE network instead of the host encoder.
    """
    encoder = EncoderChoice.OPENVINO if through_pfe else EncoderChoice.AUTO
    threshold = margin_below(bundle.config.postprocess.score_threshold)
    engine = Engine(bundle, RuntimeConfig(encoder=encoder, precision=Precision.F32, score_threshold=threshold))
    slot = engine.slots[0]
    return [slot.detect(cloud(), engine.settings) for cloud in tqdm(clouds, unit="cloud", desc=f"detecting {title}")]


def time_network(before: ModelBundle, after: ModelBundle, part: Part) -> Speed:
    """Time a network of both bundles in turn."""
    run_after, run_before = (_runner(bundle, part) for bundle in (after, before))
    pairs = take_turns(run_after, run_before, TURNS)
    after_ms, before_ms = (estimate([pair[i] for pair in pairs]) for i in (0, 1))
    canvas = make_lean(ov.Core().read_model(after.path(part.file(after.config)))).canvas if part is Part.RPN else None
    return Speed(before_ms, after_ms, paired_ratio(pairs), canvas)


def _runner(bundle: ModelBundle, part: Part) -> Callable[[], float]:
    """Compile a network as a detector would; return a function that runs it once and returns the time (ms)."""
    config, runtime = bundle.config, RuntimeConfig()
    if part is Part.RPN:
        network, inputs = compile_rpn(bundle, runtime), rpn_ports(config).inputs
    else:
        limit = config.grid.max_pillars
        block = min(runtime.pfe_block or limit, limit)
        network, inputs = compile_pfe(bundle, runtime, block), pfe_ports(config, block).inputs
    request = make_request(network, list(inputs))
    run_bare(request)
    return lambda: run_bare(request)
