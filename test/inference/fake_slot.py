# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A device whose inferences end when the test says so, and the slots of frames that run on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from test.builders import Points

PATIENCE_S = 60.0
"""Longer than anything here takes on any machine; only a failing test waits for so long."""


def cloud(number: int) -> Points:
    """Return a cloud identified by its number: that many points, all at x = number."""
    return np.full((number + 1, 4), number, np.float32)


class Inference(NamedTuple):
    """One frame on one network."""

    network: str
    number: int


class Run:
    """An inference under way."""

    def __init__(self, done: Callable[[], None], finished: bool = False) -> None:
        self.done = done
        self.finished = finished


class FakeDevice:
    """Keeps the inferences under way, the log of all steps, and the failures ordered by the test."""

    def __init__(self, automatic: bool = False) -> None:
        """Let every inference end at once, on its own thread, if `automatic`."""
        self.changed = threading.Condition()
        self.steps: list[tuple[str, int]] = []
        self.threads: set[str] = set()
        self.failures: dict[tuple[str, int], Exception] = {}
        self.silent: set[Inference] = set()
        self._running: dict[Inference, Run] = {}
        self._automatic = automatic

    def step(self, name: str, number: int) -> None:
        """Log a step of a frame, and raise what the test has ordered for it."""
        with self.changed:
            self.steps.append((name, number))
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
        if (name, number) in self.failures:
            raise self.failures[name, number]

    def start(self, inference: Inference, run: Run) -> None:
        """Start an inference."""
        with self.changed:
            self._running[inference] = run
            self.changed.notify_all()
        if inference in self.silent:
            self.finish(*inference, call_done=False)
        elif self._automatic:
            threading.Thread(target=self.finish, args=inference).start()

    def await_running(self, network: str, number: int) -> Run:
        """Wait until an inference is under way."""
        inference = Inference(network, number)
        with self.changed:
            assert self.changed.wait_for(lambda: inference in self._running, PATIENCE_S), inference
            return self._running[inference]

    def await_step(self, name: str, number: int) -> None:
        """Wait until a step has been begun."""
        with self.changed:
            assert self.changed.wait_for(lambda: (name, number) in self.steps, PATIENCE_S), (name, number)

    def finish(self, network: str, number: int, call_done: bool = True) -> Run:
        """End an inference, once it is under way; without `call_done` as OpenVINO does when one fails."""
        run = self.await_running(network, number)
        with self.changed:
            del self._running[Inference(network, number)]
            run.finished = True
        if call_done:
            run.done()
        return run

    def finish_frame(self, number: int) -> None:
        """End both inferences of a frame."""
        self.finish("pfe", number)
        self.finish("rpn", number)


class FakeSlot:
    """The slot of a frame on a fake device; what it detects is the number of its cloud."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._number = -1
        self._run = Run(lambda: None, finished=True)

    @property
    def pillars(self) -> int:
        return self._number

    def prepare(self, points: Points) -> None:
        self._number = int(points[0, 0])
        self._device.step("prepare", self._number)

    def start_pfe(self, done: Callable[[], None]) -> None:
        self._start("pfe", done)

    def pfe_is_finished(self) -> bool:
        return self._run.finished

    def scatter(self) -> None:
        self._check("pfe")
        self._device.step("scatter", self._number)

    def start_rpn(self, done: Callable[[], None]) -> None:
        self._start("rpn", done)

    def rpn_is_finished(self) -> bool:
        return self._run.finished

    def decode(self, settings: PostprocessConfig) -> Detections:
        self._check("rpn")
        self._device.step("decode", self._number)
        box = np.full((1, 7), self._number, np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int32))

    def tidy_up(self) -> None:
        assert self._run.finished, f"frame {self._number} is still running"

    def _start(self, network: str, done: Callable[[], None]) -> None:
        self._device.step(f"start_{network}", self._number)
        self._run = Run(done)
        self._device.start(Inference(network, self._number), self._run)

    def _check(self, network: str) -> None:
        assert self._run.finished, f"{network} of frame {self._number} is still running"
        if Inference(network, self._number) in self._device.silent:
            raise InferenceError(f"{network} failed: silently")


@dataclass
class Received:
    """Takes results, and lets the test wait for them."""

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.results: list[FrameResult] = []

    def __call__(self, result: FrameResult) -> None:
        with self.changed:
            self.results.append(result)
            self.changed.notify_all()

    def await_count(self, count: int) -> list[FrameResult]:
        """Wait for `count` results."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.results) >= count, PATIENCE_S), self.results
            return list(self.results)
