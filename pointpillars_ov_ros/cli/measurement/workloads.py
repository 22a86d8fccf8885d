# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workloads to time: clouds through the whole pipeline, and bare requests of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.files import AS_FOUND, FileReading
from pointpillars_ov_ros.clouds.points import CloudReader, PointBuffers
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.device.network import Request
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, Stage, StageEvent, StageTimes
from pointpillars_ov_ros.kitti.frames import open_frames
from pointpillars_ov_ros.ros.conversions import to_detection_array
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

_HANGS_S = 60.0


class Startable(Protocol):
    """Work on a device: a request, or a prepared encoder."""

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start; `done` is called at the end."""

    def finish(self) -> object:
        """Wait for the end."""


class FinishedFrame(NamedTuple):
    """A frame that has left the pipeline, with its detection message built."""

    result: FrameResult
    message_ms: float
    """Time for building the message."""
    at_ns: int
    """Time at which it had left."""
    cpu_ns: int
    """CPU time of the process so far."""

    @property
    def host_ms(self) -> float:
        """Work of the host, from cloud message to detection message, without waiting and inference."""
        return self.result.times.host_ms + self.message_ms

    @property
    def total_ms(self) -> float:
        """Time from cloud message to detection message."""
        return (self.at_ns - self.result.times.span_ns(Stage.CONVERT)[0]) / 1e6


class Round(NamedTuple):
    """Frames of a settled pipeline, from the moment the frame before the first of them has left."""

    frames: list[FinishedFrame]
    begin_ns: int
    end_ns: int
    cpu_ns: int
    """CPU time of the process during the round."""
    around: list[StageTimes]
    """Times of these frames and of those before and after, which partly overlap the round."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        return len(self.frames) * 1e9 / (self.end_ns - self.begin_ns)


class Runner:
    """A pipeline that clouds are sent through, from message to message as in the detector node."""

    def __init__(self, engine: Engine, on_event: Callable[[StageEvent], None] | None = None) -> None:
        """Start the pipeline; `on_event` gets its trace."""
        self.left: list[FinishedFrame] = []
        self._failure = ""
        self._mode = engine.runtime.mode
        self._classes = engine.config.classes
        self._reader = CloudReader(engine.runtime, PointBuffers())
        self._pipeline = engine.open_pipeline(self._collect, on_event)
        self._slots = len(engine.slots)

    def send(self, message: PointCloud2) -> None:
        """Convert and submit; in latency mode, also wait until the frame has left."""
        times = StageTimes()
        times.begin(Stage.CONVERT, time.monotonic_ns())
        cloud = self._reader.read(message)
        times.end(Stage.CONVERT, time.monotonic_ns())
        self._pipeline.submit(cloud.points, message.header, times)
        if self._mode is Mode.LATENCY:
            # One frame in flight means that the next cloud is not even converted concurrently.
            self.drain()

    def drain(self) -> None:
        """Wait until all clouds sent have left; InferenceError if a frame failed."""
        self._pipeline.drain()
        if self._failure:
            raise InferenceError(self._failure)

    def run(self, clouds: Sequence[PointCloud2]) -> Round:
        """Send clouds as fast as they are accepted.

        Before and after them, as many more are sent as there are slots, in which the pipeline fills and empties.
        """
        self.left = []
        around = self._slots
        for index in range(-around, len(clouds) + around):
            self.send(clouds[index % len(clouds)])
        self.drain()
        before, frames = self.left[around - 1], self.left[around : around + len(clouds)]
        return Round(
            frames,
            before.at_ns,
            frames[-1].at_ns,
            frames[-1].cpu_ns - before.cpu_ns,
            [frame.result.times for frame in self.left],
        )

    def close(self) -> None:
        """Stop the pipeline."""
        self._pipeline.close()

    def _collect(self, result: FrameResult) -> None:
        if result.error:
            self._failure = f"frame {result.sequence} failed: {result.error}"
        begin_ns = time.monotonic_ns()
        to_detection_array(result.detections, self._classes, result.token)
        end_ns = time.monotonic_ns()
        self.left.append(FinishedFrame(result, (end_ns - begin_ns) / 1e6, end_ns, time.process_time_ns()))


def read_clouds(data: Path, limit: int = 0, reading: FileReading = AS_FOUND) -> list[PointCloud2]:
    """Read the frames of a KITTI folder as messages, the first `limit` of them if that is not 0."""
    frames = open_frames(data, limit, reading)
    return [create_cloud(Header(frame_id="velodyne"), FIELDS, frame.read_points()) for frame in frames]


def make_bare_rpn(engine: Engine) -> Request:
    """Return a request of the engine's RPN, on an empty canvas."""
    request = engine.rpn.create_request()
    # Uninitialized memory could hold numbers that take the processor longer.
    request.tensor(engine.config.rpn.input).fill(0)
    return request


def run_bare(request: Startable) -> float:
    """Run a request alone; return its time (ms)."""
    begin = time.monotonic()
    request.start()
    request.finish()
    return (time.monotonic() - begin) * 1e3


def run_at_once(requests: Sequence[Startable], total: int) -> float:
    """Run inferences, each request restarted as soon as it has ended; return the number per second.

    As many inferences as there are requests run before and after the `total` that count. Raises InferenceError if one
    hangs.
    """
    finished: SimpleQueue[Startable] = SimpleQueue()
    around, ends_ns = len(requests), []
    for request in requests:
        request.start(partial(finished.put, request))
    for index in range(total + 2 * around):
        try:
            request = finished.get(timeout=_HANGS_S)
        except Empty:
            raise InferenceError(f"a bare request did not end within {_HANGS_S:g} s") from None
        request.finish()
        ends_ns.append(time.monotonic_ns())
        if index < total + around:
            request.start(partial(finished.put, request))
    return total * 1e9 / (ends_ns[around - 1 + total] - ends_ns[around - 1])


def run_side_by_side(one: Startable, other: Startable, total: int) -> tuple[float, float]:
    """Run both repeatedly, each restarted as soon as it has ended, until both have run `total` times.

    Returns the number per second of each. Raises InferenceError if one hangs.
    """
    finished: SimpleQueue[Startable] = SimpleQueue()
    ends_ns: dict[Startable, list[int]] = {one: [], other: []}
    for request in ends_ns:
        request.start(partial(finished.put, request))
    running = len(ends_ns)
    while running:
        try:
            request = finished.get(timeout=_HANGS_S)
        except Empty:
            raise InferenceError(f"a bare request did not end within {_HANGS_S:g} s") from None
        request.finish()
        if running == len(ends_ns):
            ends_ns[request].append(time.monotonic_ns())
        # The faster one continues until the slower one has finished, which would otherwise run alone towards its end.
        if min(map(len, ends_ns.values())) <= total:
            request.start(partial(finished.put, request))
        else:
            running -= 1
    first, second = ((len(ends) - 1) * 1e9 / (ends[-1] - ends[0]) for ends in ends_ns.values())
    return first, second
