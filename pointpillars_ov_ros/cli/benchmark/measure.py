# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurement of one configuration of `benchmark` in its own process, and of what it is compared with."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.cli.benchmark.figures import (
    BareNetwork,
    Measurement,
    busy_percent,
    cpu_percent,
    durations_ms,
    total_medians_ms,
)
from pointpillars_ov_ros.cli.measurement.ratios import paired_ratio
from pointpillars_ov_ros.cli.measurement.usage import read_memory
from pointpillars_ov_ros.cli.measurement.workloads import (
    Round,
    Runner,
    Startable,
    make_bare_rpn,
    read_clouds,
    run_at_once,
    run_bare,
)
from pointpillars_ov_ros.cli.tables import summarize
from pointpillars_ov_ros.clouds.files import FileReading
from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import pfe_properties
from pointpillars_ov_ros.inference.engine import Engine, warm_up_cloud
from pointpillars_ov_ros.inference.pipeline.frames import StageEvent
from pointpillars_ov_ros.inference.slot.encoder_choice import EncoderFactory
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle

_TRACED = 8
"""Number of frames in the picture, in addition to those in which the pipeline fills and empties."""

_PFE_SHARE = 3
"""The bare PFE runs once per this many frames: it takes longer than all stages, and no claim depends on it."""


@dataclass(frozen=True)
class MeasurementJob:
    """What to measure; created in one process and run in another."""

    bundle: Path
    data: Path
    frames: int
    """Use only this many frames; 0: all."""
    reading: FileReading
    rounds: int
    runtime: RuntimeConfig
    with_trace: bool


class BareWork:
    """Requests of one network, without any work of the host."""

    def __init__(self, network: Network, make: Callable[[], Startable], frames: int) -> None:
        """Create as many requests as the plugin recommends; `frames` inferences are one turn."""
        self._requests = [make() for _ in range(network.optimal_requests)]
        self._frames = frames
        self._compile_s = network.compile_s
        self.times_ms: list[list[float]] = []
        """Durations of every turn, one request after the other."""
        self.fps: list[float] = []
        """Frames per second of every turn, all requests concurrently."""
        for request in self._requests:
            run_bare(request)

    def turn(self) -> None:
        """Measure one turn in both ways."""
        self.times_ms.append([run_bare(self._requests[0]) for _ in range(self._frames)])
        self.fps.append(run_at_once(self._requests, self._frames))

    def summary(self) -> BareNetwork:
        """Return the figures."""
        times_ms = [time_ms for turn in self.times_ms for time_ms in turn]
        return BareNetwork(self._compile_s, summarize(times_ms), len(self._requests), median(self.fps))


def measure(job: MeasurementJob) -> Measurement:
    """Measure one configuration; InferenceError if a frame fails."""
    bundle = load_bundle(job.bundle)
    clouds = read_clouds(job.data, job.frames, job.reading)
    engine = Engine(bundle, job.runtime)
    runner = Runner(engine)
    runner.run(clouds)
    gc.collect()
    memory = read_memory()
    rpn = BareWork(engine.rpn, lambda: make_bare_rpn(engine), len(clouds))
    pfe = make_bare_pfe(engine, bundle, clouds)
    rounds: list[Round] = []
    turns = [lambda: rounds.append(runner.run(clouds)), rpn.turn, pfe.turn]
    for index in range(job.rounds):
        for turn in turns if index % 2 == 0 else reversed(turns):
            turn()
    runner.close()
    return Measurement(
        runtime=job.runtime,
        encoder=engine.encoders.kind,
        encoder_reason=engine.encoders.reason,
        effective=engine.effective_settings(),
        slots=len(engine.slots),
        load_s=engine.load_s,
        rss_mb=memory.now,
        peak_rss_mb=memory.peak,
        fps=median(r.fps for r in rounds),
        cpu_percent=cpu_percent(rounds),
        busy_percent=busy_percent(rounds),
        durations_ms=durations_ms(rounds),
        bare={"pfe": pfe.summary(), "rpn": rpn.summary()},
        total_by_rpn=paired_ratio(zip(total_medians_ms(rounds), map(median, rpn.times_ms), strict=True)).value,
        fps_by_rpn=paired_ratio(zip((r.fps for r in rounds), rpn.fps, strict=True)).value,
        trace=tuple(trace(engine, clouds)) if job.with_trace else (),
    )


def make_bare_pfe(engine: Engine, bundle: ModelBundle, clouds: Sequence[PointCloud2]) -> BareWork:
    """Create the requests of the PFE network for a cloud of median size, also if the host encodes."""
    runtime = engine.runtime
    middle = sorted(clouds, key=lambda cloud: cloud.width)[len(clouds) // 2]
    pillars = Pillars(bundle.config.grid)
    pillars.group(CloudReader(runtime).read(middle).points)
    factory = engine.encoders
    if factory.network is None:
        on_device = replace(runtime, encoder=EncoderChoice.OPENVINO)
        factory = EncoderFactory(bundle, on_device, pfe_properties(runtime), warm_up_cloud(bundle.config))
    assert factory.network is not None

    def make() -> Startable:
        encoder = factory.make()
        encoder.prepare(pillars)
        return encoder

    return BareWork(factory.network, make, -(-len(clouds) // _PFE_SHARE))


def trace(engine: Engine, clouds: Sequence[PointCloud2]) -> list[StageEvent]:
    """Record the events of a few frames, in a round that is not measured."""
    events: list[StageEvent] = []
    runner = Runner(engine, events.append)
    runner.run([clouds[index % len(clouds)] for index in range(_TRACED)])
    runner.close()
    return events
