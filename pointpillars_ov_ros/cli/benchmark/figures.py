# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of `benchmark` for one configuration, and their calculation from the measured rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pointpillars_ov_ros.cli.measurement.usage import busy_ns
from pointpillars_ov_ros.cli.measurement.workloads import Round
from pointpillars_ov_ros.cli.tables import summarize
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageEvent

Percentiles = dict[str, float]

WORK = ("convert", "pillars", "pfe", "scatter", "rpn", "decode", "message")
"""Stages in which work is done for a frame, in order: rows of `Measurement.durations_ms`."""


@dataclass(frozen=True)
class BareNetwork:
    """Figures of a network alone, without any work of the host."""

    compile_s: float
    """Time to compile it, for the shape that it runs with."""
    request_ms: Percentiles
    """Durations one at a time. For the PFE: all requests of one frame."""
    requests: int
    """Number of concurrent requests that the plugin recommends."""
    fps: float
    """Frames per second with that many concurrent requests: the median over the rounds."""


@dataclass(frozen=True)
class Measurement:
    """Figures of one configuration. Ratios are medians over the rounds of the ratio within a round."""

    runtime: RuntimeConfig
    encoder: EncoderChoice
    """The encoder that was used."""
    encoder_reason: str
    effective: dict[str, dict[str, str]]
    """Settings read back from the compiled networks."""
    slots: int
    """Maximum number of frames in flight."""
    load_s: float
    """Time to read, compile and warm up the networks."""
    rss_mb: float
    """Resident memory after the first round, before anything is created for comparison."""
    peak_rss_mb: float
    fps: float
    """Frames per second: the median over the rounds."""
    cpu_percent: float
    """CPU time of the process relative to elapsed time; 100 is one core."""
    busy_percent: dict[str, float]
    """Ratio of the time in which the PFE, the RPN, or either of them ran."""
    durations_ms: dict[str, Percentiles]
    bare: dict[str, BareNetwork]
    total_by_rpn: float
    """Time from cloud message to detection message, relative to a bare request of the same compiled RPN."""
    fps_by_rpn: float
    """Frames per second, relative to inferences per second of the bare RPN at its optimal number of requests."""
    trace: tuple[StageEvent, ...]
    """Events of a few frames, if a picture was requested."""


def cpu_percent(rounds: Sequence[Round]) -> float:
    """Return the CPU time of the process relative to elapsed time; 100 is one core."""
    return 100.0 * sum(r.cpu_ns for r in rounds) / sum(r.end_ns - r.begin_ns for r in rounds)


def busy_percent(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the ratio of the time in which the PFE, the RPN, or either of them ran."""
    elapsed_ns = sum(r.end_ns - r.begin_ns for r in rounds)

    def share(*stages: Stage) -> float:
        total_ns = 0
        for r in rounds:
            spans = [times.span_ns(stage) for times in r.around for stage in stages]
            total_ns += busy_ns(spans, r.begin_ns, r.end_ns)
        return 100.0 * total_ns / elapsed_ns

    return {"pfe": share(Stage.PFE), "rpn": share(Stage.RPN), "either": share(Stage.PFE, Stage.RPN)}


def durations_ms(rounds: Sequence[Round]) -> dict[str, Percentiles]:
    """Summarize every stage, and the totals."""
    frames = [frame for r in rounds for frame in r.frames]
    rows = {stage.name.lower(): [frame.result.times.duration_ms(stage) for frame in frames] for stage in Stage}
    rows["message"] = [frame.message_ms for frame in frames]
    rows["host"] = [frame.host_ms for frame in frames]
    rows["in flight"] = [frame.result.times.in_flight_ms for frame in frames]
    rows["total"] = [frame.total_ms for frame in frames]
    return {name: summarize(values) for name, values in rows.items()}


def total_medians_ms(rounds: Sequence[Round]) -> list[float]:
    """Return the median of every round, from cloud message to detection message."""
    return [median(frame.total_ms for frame in r.frames) for r in rounds]
