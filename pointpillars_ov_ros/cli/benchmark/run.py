# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov benchmark`, once its arguments are known."""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.cli.benchmark.figures import WORK, Measurement
from pointpillars_ov_ros.cli.benchmark.matrix import describe, encoder_name, expand
from pointpillars_ov_ros.cli.benchmark.measure import MeasurementJob, measure
from pointpillars_ov_ros.cli.benchmark.plot import PanelGroup, Stack, draw_benchmark, make_group
from pointpillars_ov_ros.cli.benchmark.report import (
    LEGEND,
    STAGES_LEGEND,
    document,
    format_details,
    format_summary,
)
from pointpillars_ov_ros.cli.look_at_files import look_at_frames
from pointpillars_ov_ros.cli.machine import Surroundings, look_around
from pointpillars_ov_ros.config.errors import InferenceError, count_of
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.trace.writer import write_trace
from pointpillars_ov_ros.kitti.frames import open_frames


def run_benchmark(options: argparse.Namespace) -> int:
    """Measure the path from PointCloud2 to Detection3DArray in every configuration, print, and write the report."""
    configurations = expand(options)
    frames = open_frames(options.data, options.frames, file_reading(options))
    points = [len(frame.read_points()) for frame in frames]
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        surroundings = look_around(bundle.config.name)
        print(surroundings.line())
        for note in look_at_frames(frames, bundle.config):
            print(f"note: {note}")
        print(
            f"{count_of(len(points), 'frame')} of about {median(points):.0f} points, "
            f"{count_of(options.repeat, 'round')}"
        )
        measurements = []
        for number, runtime in enumerate(configurations, 1):
            print(f"{number} of {len(configurations)}: {describe(runtime)} …", flush=True)
            measurements.append(measure_apart(_job(options, bundle.folder, runtime)))
    _print(measurements)
    if options.json is not None:
        report = document(surroundings, len(points), int(median(points)), options.repeat, measurements)
        write_json(options.json, report)
        print(f"\nreport   {options.json}")
    if options.record_trace is not None:
        record(options.record_trace, bundle.config.name, measurements)
        print(f"\ntraces   {options.record_trace}")
    if options.picture is not None:
        draw(options.picture, surroundings, measurements)
        print(f"\npicture  {options.picture}")
    return 0


def measure_apart(job: MeasurementJob) -> Measurement:
    """Measure in a separate process, so that memory and loading times belong to this configuration only."""
    with ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL)) as pool:
        try:
            return pool.submit(measure, job).result()
        except BrokenProcessPool:
            raise InferenceError(f"the process that measured {describe(job.runtime)} died") from None


def draw(path: Path, surroundings: Surroundings, measurements: Sequence[Measurement]) -> None:
    """Plot stage times of every configuration, and for each encoder and precision a few frames in each mode."""
    title = f"{surroundings.model} on {surroundings.processor}, {count_of(surroundings.cores, 'core')}"
    draw_benchmark(path, title, [make_stack(m) for m in measurements], make_groups(measurements))


def record(folder: Path, model: str, measurements: Sequence[Measurement]) -> None:
    """Write the trace of each configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, m in enumerate(measurements, 1):
        devices = (m.effective["pfe"]["EXECUTION_DEVICES"], m.effective["rpn"]["EXECUTION_DEVICES"])
        title = f"{model}, {describe(m.runtime)}: {m.fps:.2f} FPS"
        write_trace(folder / f"{number:02}_{m.runtime.mode.value}.json", title, devices, m.trace)


def make_stack(measurement: Measurement) -> Stack:
    """Return the medians of the stages."""
    medians_ms = {name: values["p50"] for name, values in measurement.durations_ms.items()}
    return Stack(describe(measurement.runtime), {name: medians_ms[name] for name in WORK}, medians_ms["total"])


def make_groups(measurements: Sequence[Measurement]) -> list[PanelGroup]:
    """Return a group of panels, one per mode, for each encoder and precision."""
    variants: dict[str, list[Measurement]] = {}
    for m in measurements:
        variants.setdefault(f"encoder {encoder_name(m.runtime)}, precision {m.runtime.precision.value}", []).append(m)
    groups = []
    for name, some in variants.items():
        traces = {f"{m.runtime.mode.value}: {m.fps:.2f} FPS": m.trace for m in some}
        effective = some[0].effective
        devices = (effective["pfe"]["EXECUTION_DEVICES"], effective["rpn"]["EXECUTION_DEVICES"])
        first = max(m.slots for m in some)
        groups.append(make_group(f"{name}; the number in a bar is that of its frame", devices, traces, first))
    return groups


def _job(options: argparse.Namespace, bundle: Path, runtime: RuntimeConfig) -> MeasurementJob:
    return MeasurementJob(
        bundle=bundle,
        data=options.data,
        frames=options.frames,
        reading=file_reading(options),
        rounds=options.repeat,
        runtime=runtime,
        with_trace=options.picture is not None or options.record_trace is not None,
    )


def _print(measurements: Sequence[Measurement]) -> None:
    print(f"\n{format_summary(measurements)}\n\n{LEGEND}")
    for measurement in measurements:
        print(f"\n{format_details(measurement)}")
    print(f"\n{STAGES_LEGEND}")
