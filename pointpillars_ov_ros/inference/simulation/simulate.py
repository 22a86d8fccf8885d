# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulation of the pipeline on a machine that is not at hand: the real scheduler on a simulated device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.config.documents import MOST_YAML_BYTES, parse_yaml, read_text
from pointpillars_ov_ros.config.errors import ConfigError, require
from pointpillars_ov_ros.config.mapping import from_mapping
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, Stage, StageEvent, StageTimes
from pointpillars_ov_ros.inference.pipeline.pipeline import Pipeline
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.inference.simulation.clock import VirtualClock
from pointpillars_ov_ros.inference.simulation.device import SimulatedDevice, SimulatedSlot, StageDurations

WARM_UP_FRAMES = 20
"""Number of frames before the measured ones, in which the pipeline fills and settles."""

_LONGEST_MS = 60_000.0
_SETTINGS = PostprocessConfig(0.5, 0.5, 1, 1)
_CLOUD = np.zeros((1, 4), np.float32)


@dataclass(frozen=True)
class StageMilliseconds:
    """Durations of the stages alone, in milliseconds: three on the host, two on a device."""

    pre: float
    pfe: float
    scatter: float
    rpn: float
    post: float

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name, value in vars(self).items():
            require(0.0 <= value <= _LONGEST_MS, f"stages_ms.{name}", value, f"between 0 and {_LONGEST_MS:g} ms")

    def durations(self) -> StageDurations:
        """Return the durations in nanoseconds."""
        return StageDurations(*(round(value * 1e6) for value in vars(self).values()))


@dataclass(frozen=True)
class SimulationProfile:
    """A machine to simulate; read from YAML."""

    name: str
    source: str
    """Source of the figures: measured (when, with what), or reconstructed from what."""
    stages_ms: StageMilliseconds
    pfe_device: str
    rpn_device: str
    slow_down: float
    """Factor by which each network takes longer while the other one runs on the same device."""
    notes: str = ""

    def __post_init__(self) -> None:
        """Check the bounds."""
        require(bool(self.name), "name", self.name, "a name")
        require(bool(self.source), "source", self.source, "a text that says where the figures come from")
        require(bool(self.pfe_device), "pfe_device", self.pfe_device, "the name of a device")
        require(bool(self.rpn_device), "rpn_device", self.rpn_device, "the name of a device")
        require(1.0 <= self.slow_down <= 100.0, "slow_down", self.slow_down, "between 1 and 100")


def load_profile(path: Path) -> SimulationProfile:
    """Read a profile; ConfigError names the file, the field and its value."""
    try:
        document = parse_yaml(read_text(path, MOST_YAML_BYTES), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    try:
        return from_mapping(SimulationProfile, document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


@dataclass(frozen=True)
class SimulationReport:
    """Results over the frames after the warm-up."""

    COLUMNS = ("mode", "FPS", "latency p50 (ms)", "latency p90 (ms)", "device load", "host load")

    profile: str
    mode: Mode
    frames: int
    fps: float
    latency_p50_ms: float
    """Time from taking a cloud into a slot to its detections, without the wait for a slot."""
    latency_p90_ms: float
    wait_p50_ms: float
    """Wait for a slot."""
    device_load: dict[str, float]
    """Ratio of the time (%) in which a device worked, by its name."""
    host_load: float
    """Ratio of the time (%) in which the host thread worked."""
    counts: Counts
    times: tuple[StageTimes, ...] = field(repr=False, compare=False, default=())
    """Times of every frame measured."""

    def cells(self) -> list[str]:
        """Return a row of a table of `COLUMNS`."""
        loads = ", ".join(f"{name} {load:.1f} %" for name, load in self.device_load.items())
        latencies = [f"{self.latency_p50_ms:.1f}", f"{self.latency_p90_ms:.1f}"]
        return [self.mode.value, f"{self.fps:.2f}", *latencies, loads, f"{self.host_load:.1f} %"]


class Sender:
    """Sender of clouds on simulated time, at the rate of a sensor (`period_ns`) or as fast as there is room."""

    def __init__(self, clock: VirtualClock, pipeline: Pipeline, policy: DropPolicy, period_ns: int | None) -> None:
        """Prepare; `start` sends the first cloud."""
        self._clock, self._pipeline, self._policy, self._period_ns = clock, pipeline, policy, period_ns
        self._held_back: deque[StageTimes] = deque()
        self.is_stopped = False

    def start(self) -> None:
        """Send the first cloud at once."""
        self._arrive()

    def on_event(self, event: StageEvent) -> None:
        """Follow the pipeline's trace: when a cloud leaves the queue, there is room for another one."""
        if event.stage is Stage.QUEUE and event.is_end and not self.is_stopped:
            if self._period_ns is None:
                self._arrive()
            else:
                self._send()

    def _arrive(self) -> None:
        if self.is_stopped:
            return
        times = StageTimes()
        times.begin(Stage.CONVERT, self._clock.now_ns())
        times.end(Stage.CONVERT, self._clock.now_ns())
        self._held_back.append(times)
        self._send()
        if self._period_ns is not None:
            self._clock.call_at(self._clock.now_ns() + self._period_ns, self._arrive)

    def _send(self) -> None:
        # Under the policy replay a thread would wait in `submit` until there is room. Here there is only one thread.
        while self._held_back and (self._policy is DropPolicy.LIVE or self._pipeline.has_room):
            self._pipeline.submit(_CLOUD, None, self._held_back.popleft())


class _Meter:
    """Collector of results and of the load at the start and the end of the measurement."""

    def __init__(self, clock: VirtualClock, devices: dict[str, SimulatedDevice], frames: int) -> None:
        self._clock, self._devices = clock, devices
        self._last = WARM_UP_FRAMES + frames
        self._results: list[FrameResult] = []
        self._readings: list[tuple[int, int, dict[str, int]]] = []

    @property
    def is_full(self) -> bool:
        return len(self._results) >= self._last

    def record(self, result: FrameResult) -> None:
        if self.is_full:
            return
        self._results.append(result)
        if len(self._results) in (WARM_UP_FRAMES, self._last):
            busy_ns = {name: device.busy_ns for name, device in self._devices.items()}
            self._readings.append((self._clock.now_ns(), self._clock.worked_ns, busy_ns))

    def report(self, profile: SimulationProfile, mode: Mode) -> SimulationReport:
        (begin_ns, worked_before_ns, busy_before_ns), (end_ns, worked_ns, busy_ns) = self._readings
        elapsed_ns = max(1, end_ns - begin_ns)
        results = self._results[WARM_UP_FRAMES:]
        latencies_ms = [result.times.in_flight_ms for result in results]
        return SimulationReport(
            profile=profile.name,
            mode=mode,
            frames=len(results),
            fps=len(results) * 1e9 / elapsed_ns,
            latency_p50_ms=float(np.percentile(latencies_ms, 50)),
            latency_p90_ms=float(np.percentile(latencies_ms, 90)),
            wait_p50_ms=float(np.median([result.times.duration_ms(Stage.QUEUE) for result in results])),
            device_load={name: 100.0 * (busy_ns[name] - busy_before_ns[name]) / elapsed_ns for name in busy_ns},
            host_load=100.0 * (worked_ns - worked_before_ns) / elapsed_ns,
            counts=results[-1].counts,
            times=tuple(result.times for result in results),
        )


def run_simulation(
    profile: SimulationProfile,
    mode: Mode,
    frames: int = 200,
    period_ms: float | None = None,
    on_event: Callable[[StageEvent], None] | None = None,
) -> SimulationReport:
    """Run the pipeline on the machine of `profile` until `frames` results are measured.

    With `period_ms` None there is always another cloud, and every one is processed (policy replay). Otherwise a cloud
    arrives every `period_ms`, and the newest is used (policy live).
    """
    require(frames >= 1, "frames", frames, "1 or above")
    require(period_ms is None or period_ms > 0.0, "period_ms", period_ms, "above 0")
    clock = VirtualClock()
    devices = {name: SimulatedDevice(clock, profile.slow_down) for name in (profile.pfe_device, profile.rpn_device)}
    on_devices = (devices[profile.pfe_device], devices[profile.rpn_device])
    slots = [SimulatedSlot(clock, profile.stages_ms.durations(), *on_devices) for _ in range(SCHEDULES[mode].slots)]
    meter = _Meter(clock, devices, frames)
    policy = DropPolicy.REPLAY if period_ms is None else DropPolicy.LIVE

    def follow(event: StageEvent) -> None:
        sender.on_event(event)
        if on_event is not None:
            on_event(event)

    pipeline = Pipeline(slots, mode, policy, _SETTINGS, meter.record, on_event=follow, clock=clock)
    sender = Sender(clock, pipeline, policy, None if period_ms is None else round(period_ms * 1e6))
    sender.start()
    while not meter.is_full:
        pipeline.turn()
    sender.is_stopped = True
    pipeline.close()
    while pipeline.turn():
        pass
    return meter.report(profile, mode)
