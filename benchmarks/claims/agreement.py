# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The claim that all modes, encoders and shapes give the same detections for each cloud, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sensor_msgs.msg import PointCloud2

from benchmarks.claims.claim import BOX_TOLERANCE, SCORE_FLOOR, SCORE_TOLERANCE, Claim, ClaimInputs, agree
from benchmarks.reference_pipeline import ReferencePipeline
from pointpillars_ov_ros.cli.benchmark.matrix import describe
from pointpillars_ov_ros.cli.measurement.workloads import Runner
from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.config.runtime_config import (
    DropPolicy,
    EncoderChoice,
    Mode,
    PfeShape,
    Precision,
    RuntimeConfig,
)
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.model.bundle import ModelBundle

_BASE = RuntimeConfig(precision=Precision.F32, drop_policy=DropPolicy.REPLAY)
"""In float32, since the question is whether the variants agree, not how much a precision rounds."""


def claim_agreement(inputs: ClaimInputs) -> list[Claim]:
    """Send the same clouds through every variant, and compare the results with those of the reference pipeline."""
    reference = ReferencePipeline(inputs.bundle, _BASE)
    reader = CloudReader(_BASE)
    points = [reader.read(cloud).points for cloud in inputs.clouds]
    expected = [reference.detect(some) for some in points]
    del reference
    ways = list(every_way())
    off = [way for way in ways if not are_same(send(inputs.bundle, inputs.clouds, way), inputs.clouds, expected)]
    how = (
        f"{len(ways)} variants, {len(expected)} frames, {sum(len(d.above(SCORE_FLOOR)) for d in expected)} detections "
        f"of score {SCORE_FLOOR:g} or more; boxes within {BOX_TOLERANCE:g} m and rad, scores within "
        f"{SCORE_TOLERANCE:g} of those of the reference pipeline"
    )
    if off:
        how += f"; different: {'; '.join(map(describe, off))}"
    text = "every mode, encoder and shape: same detections, in the order of the clouds"
    return [Claim(text, len(ways) - len(off), len(ways), f" of {len(ways)}", at_most=False, how=how)]


def every_way() -> Iterator[RuntimeConfig]:
    """Yield every combination of mode, encoder and shape of the PFE; the host encoder has no shape."""
    encoders = [
        replace(_BASE, encoder=EncoderChoice.HOST),
        *(replace(_BASE, encoder=EncoderChoice.OPENVINO, pfe_shape=shape) for shape in PfeShape),
    ]
    for mode, runtime in itertools.product(Mode, encoders):
        yield replace(runtime, mode=mode)


def send(bundle: ModelBundle, clouds: Sequence[PointCloud2], runtime: RuntimeConfig) -> list[FrameResult]:
    """Return the results of a pipeline, in its order, for clouds sent as fast as they are accepted."""
    runner = Runner(Engine(bundle, runtime))
    for cloud in clouds:
        runner.send(cloud)
    runner.drain()
    runner.close()
    return [frame.result for frame in runner.left]


def are_same(results: Sequence[FrameResult], clouds: Sequence[PointCloud2], expected: Sequence[Detections]) -> bool:
    """Whether the results belong to the clouds, in order, with the expected detections."""
    in_order = [result.token is cloud.header for result, cloud in zip(results, clouds, strict=True)]
    agreed = [agree(result.detections, wanted) for result, wanted in zip(results, expected, strict=True)]
    return all(in_order) and all(agreed)
