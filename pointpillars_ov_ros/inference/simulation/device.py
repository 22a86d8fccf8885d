# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated device: inferences that take simulated time, and slow each other down."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.simulation.clock import VirtualClock


@dataclass(eq=False)
class SimulatedInference:
    """An inference on a simulated device."""

    left_ns: float
    """Remaining time if it ran on the device alone."""
    done: Callable[[], None]
    is_finished: bool = False


class SimulatedDevice:
    """Device shared evenly by its inferences: two of them each take `slow_down` times as long as alone.

    A slow_down of 2 is a device that runs one after the other, 1 a device that both fit on at once. In general k
    inferences each run at 1 / (1 + (k - 1) (slow_down - 1)) of full speed; whenever one starts or ends, the ends of the
    others move.
    """

    def __init__(self, clock: VirtualClock, slow_down: float) -> None:
        """Start idle."""
        self._clock = clock
        self._slow_down = slow_down
        self._running: list[SimulatedInference] = []
        self._settled_ns = clock.now_ns()
        self._busy_ns = 0
        self._plans = 0

    @property
    def busy_ns(self) -> int:
        """Time so far in which any inference ran."""
        self._settle()
        return self._busy_ns

    def start(self, alone_ns: int, done: Callable[[], None]) -> SimulatedInference:
        """Start an inference that takes `alone_ns` on the device alone; `done` is called at its end."""
        self._settle()
        inference = SimulatedInference(alone_ns, done)
        self._running.append(inference)
        self._plan_next_end()
        return inference

    def _speed(self) -> float:
        """Return the ratio of full speed at which every inference runs."""
        return 1.0 / (1.0 + (len(self._running) - 1) * (self._slow_down - 1.0))

    def _settle(self) -> None:
        """Account for the time since the last start or end."""
        now_ns = self._clock.now_ns()
        elapsed_ns, self._settled_ns = now_ns - self._settled_ns, now_ns
        if self._running:
            self._busy_ns += elapsed_ns
            for inference in self._running:
                inference.left_ns -= elapsed_ns * self._speed()

    def _plan_next_end(self) -> None:
        """Schedule the end of the inference with the least time left; earlier plans become void."""
        self._plans += 1
        if self._running:
            left_ns = max(0.0, min(inference.left_ns for inference in self._running))
            self._clock.call_at(
                self._clock.now_ns() + math.ceil(left_ns / self._speed()), partial(self._end, self._plans)
            )

    def _end(self, plan: int) -> None:
        if plan != self._plans:
            return
        self._settle()
        # Ends are rounded up to whole nanoseconds, so an ended inference has nothing left but a rounding error.
        ended = [inference for inference in self._running if inference.left_ns < 1e-3]
        self._running = [inference for inference in self._running if inference not in ended]
        self._plan_next_end()
        for inference in ended:
            inference.is_finished = True
            inference.done()


@dataclass(frozen=True)
class StageDurations:
    """Durations of the stages of a frame when nothing else runs."""

    pre_ns: int
    pfe_ns: int
    scatter_ns: int
    rpn_ns: int
    post_ns: int


class SimulatedSlot:
    """A slot (see `Slot`) whose stages take simulated time and compute nothing."""

    def __init__(
        self, clock: VirtualClock, durations: StageDurations, pfe_device: SimulatedDevice, rpn_device: SimulatedDevice
    ) -> None:
        """Start idle; the two devices may be the same."""
        self.durations = durations
        self._clock = clock
        self._pfe_device, self._rpn_device = pfe_device, rpn_device
        self._pfe: SimulatedInference | None = None
        self._rpn: SimulatedInference | None = None

    @property
    def pillars(self) -> int:
        """Number of pillars, always 0."""
        return 0

    def prepare(self, points: FloatArray) -> None:
        """Take the time of grouping."""
        self._clock.advance(self.durations.pre_ns)

    def start_pfe(self, done: Callable[[], None]) -> None:
        """Start a simulated PFE inference."""
        self._pfe = self._pfe_device.start(self.durations.pfe_ns, done)

    def pfe_is_finished(self) -> bool:
        """Whether the PFE has ended."""
        return self._pfe is None or self._pfe.is_finished

    def scatter(self) -> None:
        """Take the time of scattering."""
        self._clock.advance(self.durations.scatter_ns)

    def start_rpn(self, done: Callable[[], None]) -> None:
        """Start a simulated RPN inference."""
        self._rpn = self._rpn_device.start(self.durations.rpn_ns, done)

    def rpn_is_finished(self) -> bool:
        """Whether the RPN has ended."""
        return self._rpn is None or self._rpn.is_finished

    def decode(self, settings: PostprocessConfig) -> Detections:
        """Take the time of decoding; nothing is detected."""
        self._clock.advance(self.durations.post_ns)
        return Detections.empty()

    def tidy_up(self) -> None:
        """Do nothing; no time is simulated for it."""
