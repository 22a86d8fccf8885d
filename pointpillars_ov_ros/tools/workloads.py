# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work to be timed: clouds down the whole road, and bare requests of a network."""

from __future__ import annotations

import time
from collections.abc import Callable

from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.frames import FrameResult
from pointpillars_ov_ros.inference.network import Network, Request
from pointpillars_ov_ros.inference.pipeline import Pipeline
from pointpillars_ov_ros.inference.timing import Stage, StageTimes
from pointpillars_ov_ros.nodes.conversions import read_cloud, to_detection_array


class Runner:
    """A pipeline that clouds are sent through one at a time, each until its detection message is built."""

    def __init__(self, engine: Engine) -> None:
        """Start the pipeline."""
        self.host_ms: list[float] = []
        self.total_ms: list[float] = []
        self._runtime, self._classes = engine.runtime, engine.config.classes
        self._pipeline: Pipeline = engine.open_pipeline(self._take)

    def send(self, message: PointCloud2) -> None:
        """Convert and submit."""
        times = StageTimes()
        times.begin(Stage.CONVERT, time.monotonic_ns())
        cloud = read_cloud(message, self._runtime.intensity_field, self._runtime.intensity_scale)
        times.end(Stage.CONVERT, time.monotonic_ns())
        self._pipeline.submit(cloud.points, message.header, times)

    def drain(self) -> None:
        """Wait until all that was sent has left."""
        self._pipeline.drain()

    def close(self) -> None:
        """Stop the pipeline."""
        self._pipeline.close()

    def _take(self, result: FrameResult) -> None:
        begin = time.monotonic_ns()
        to_detection_array(result.detections, self._classes, result.token)
        message_ms = (time.monotonic_ns() - begin) / 1e6
        self.host_ms.append(result.times.host_ms + message_ms)
        self.total_ms.append(result.times.total_ms + message_ms)


def run_bare(request: Request) -> float:
    """Run a request by itself; gives its time (ms)."""
    begin = time.monotonic()
    request.start(lambda: None)
    request.finish()
    return (time.monotonic() - begin) * 1e3


def run_in_turn(requests: list[Request], total: int) -> None:
    """Run so many inferences, as many at once as there are requests."""
    for index in range(total):
        request = requests[index % len(requests)]
        if index >= len(requests):
            request.finish()
        request.start(lambda: None)
    for request in requests:
        request.finish()


def send_all(runner: Runner, clouds: list[PointCloud2]) -> None:
    """Send clouds as fast as they are taken, and wait for all of them."""
    for message in clouds:
        runner.send(message)
    runner.drain()


def frames_per_second(work: Callable[[], object], frames: int) -> float:
    """Time some work on so many frames."""
    begin = time.monotonic()
    work()
    return frames / (time.monotonic() - begin)


def optimal_requests(network: Network) -> int:
    """Give the number of requests at which the plugin says the network is fastest."""
    return int(network.effective_settings().get("OPTIMAL_NUMBER_OF_INFER_REQUESTS", "1"))
