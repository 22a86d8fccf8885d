# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pipeline on simulated time, with clouds that come and failures that happen when the test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, Stage, StageEvent
from pointpillars_ov_ros.inference.pipeline.pipeline import Pipeline
from pointpillars_ov_ros.inference.pipeline.scheduler import Slot
from pointpillars_ov_ros.inference.simulation.clock import VirtualClock
from pointpillars_ov_ros.inference.simulation.device import SimulatedDevice, SimulatedSlot, StageDurations
from pointpillars_ov_ros.inference.slot.slot_pool import SlotPool
from test.builders import Points

MS = 1_000_000
ORIGIN = StageDurations(*(round(ms * MS) for ms in (45.2, 10.5, 10.0, 75.1, 13.9)))
"""Durations of the shipped profile: the RPN takes longest."""
EVEN = StageDurations(10 * MS, 40 * MS, 5 * MS, 40 * MS, 5 * MS)
"""Both networks take as long, and hide all that the host does."""
SHORT = {Stage.PILLARS: "pre", Stage.PFE: "PFE", Stage.SCATTER: "scatter", Stage.RPN: "RPN", Stage.DECODE: "post"}
HOST = (Stage.PILLARS, Stage.SCATTER, Stage.DECODE)


class Fault(Enum):
    """Faults in a stage of a frame."""

    RAISES = 0
    SILENT = 1
    """An inference ends without `done`, having failed."""
    HANGS = 2
    """An inference does not end before `Rig.hang_ns` have passed."""


class Faulty(NamedTuple):
    """A stage of the frame of a cloud."""

    number: int
    stage: Stage


class RigSlot(SimulatedSlot):
    """A simulated slot that fails as told; what it detects is the number of its cloud."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.clock, rig.durations, rig.device, rig.device)
        self.rig = rig
        self.prepared: list[int] = []

    @property
    def pillars(self) -> int:
        return self.prepared[-1]

    def prepare(self, points: Points) -> None:
        # As OpenVINO would: memory that a request still works on is not to be touched.
        assert self.pfe_is_finished() and self.rpn_is_finished()
        self.prepared.append(int(points[0, 0]))
        self._check(Stage.PILLARS)
        super().prepare(points)

    def start_pfe(self, done: Callable[[], None]) -> None:
        self._check(Stage.PFE)
        self._pfe = self._start(Stage.PFE, self.durations.pfe_ns, done)

    def scatter(self) -> None:
        self._check(Stage.SCATTER)
        self._check_ended(Stage.PFE)
        super().scatter()

    def start_rpn(self, done: Callable[[], None]) -> None:
        self._check(Stage.RPN)
        self._rpn = self._start(Stage.RPN, self.durations.rpn_ns, done)

    def decode(self, settings: PostprocessConfig) -> Detections:
        self._check(Stage.DECODE)
        self._check_ended(Stage.RPN)
        super().decode(settings)
        box = np.full((1, 7), self.pillars, np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int32))

    def _fault(self, stage: Stage) -> Fault | None:
        return self.rig.faults.get(Faulty(self.pillars, stage))

    def _check(self, stage: Stage) -> None:
        if self._fault(stage) is Fault.RAISES:
            raise InferenceError(f"{SHORT[stage]} failed")

    def _check_ended(self, stage: Stage) -> None:
        if self._fault(stage) is Fault.SILENT:
            raise InferenceError(f"{SHORT[stage]} failed: silently")

    def _start(self, stage: Stage, alone_ns: int, done: Callable[[], None]) -> object:
        fault = self._fault(stage)
        if fault is Fault.HANGS:
            # Nobody can tell it from one that works, but it takes nothing from the others.
            device = SimulatedDevice(self.rig.clock, 1.0)
            return device.start(self.rig.hang_ns, done)
        return self.rig.device.start(alone_ns, (lambda: None) if fault is Fault.SILENT else done)


class Rig:
    """The pipeline, its simulated machine, its sender, and all that came of it."""

    hang_ns = 2_000 * MS

    def __init__(
        self,
        mode: Mode,
        policy: DropPolicy = DropPolicy.REPLAY,
        durations: StageDurations = EVEN,
        slow_down: float = 1.5,
        faults: Mapping[Faulty, Fault] | None = None,
        replaces: bool = False,
        **options: float | None,
    ) -> None:
        """Set up the pipeline; with `replaces`, slots that hang are replaced as by the engine."""
        self.clock = VirtualClock()
        self.device = SimulatedDevice(self.clock, slow_down)
        self.durations = durations
        self.faults = dict(faults or {})
        self.results: list[FrameResult] = []
        self.trace: list[StageEvent] = []
        self.pool = SlotPool(lambda: RigSlot(self), lambda slot: None)
        self.slots = self.pool.slots_of(mode)
        self.mode = mode
        self.refusals: list[str] = []
        """Why hung slots were not replaced."""
        self.sent: list[tuple[int, int]] = []
        """Time and sequence of every cloud submitted."""
        self._to_come = 0
        self._held_back: deque[int] = deque()
        self.pipeline = Pipeline(
            self.slots,
            mode,
            policy,
            PostprocessConfig(0.3, 0.1, 10, 10),
            self.results.append,
            on_event=self._follow,
            on_hung=self._replace if replaces else lambda hung: None,
            clock=self.clock,
            **options,  # type: ignore[arg-type]
        )

    def send(self, numbers: Iterable[int], times_ns: Iterable[int] | None = None) -> None:
        """Send clouds, all at once or at these times; under replay they wait at the sender for room."""
        for number, time_ns in zip(numbers, times_ns or _zeros(), strict=False):
            self._to_come += 1
            self.clock.call_at(time_ns, lambda number=number: self._arrive(number))

    def run(self, until_ns: int | None = None) -> None:
        """Run until every cloud has left, or to about a time."""
        while self._to_come or self._held_back or self.pipeline.counts.pending:
            if until_ns is not None and self.clock.now_ns() >= until_ns:
                return
            self.pipeline.turn()

    def run_until_none_hangs(self, from_ns: int = 0) -> None:
        """Run until that time, and until the device has returned all slots."""
        self.clock.call_at(from_ns, lambda: self.clock.call_soon(lambda: None))
        while self.pipeline.hung_slots or self.clock.now_ns() < from_ns:
            self.pipeline.turn()

    def set_mode(self, mode: Mode) -> None:
        """Change the mode as the engine does it."""
        try:
            self.pipeline.set_mode(mode, self.pool.slots_of(mode))
        except InferenceError as refusal:
            self.refusals.append(str(refusal))
        else:
            self.mode = mode

    def close(self) -> None:
        """Close the pipeline, and run to its end."""
        self._held_back.clear()
        self.pipeline.close()
        while self.pipeline.turn():
            pass

    def numbers(self) -> list[int]:
        """Return the numbers of the clouds that the results come from; -1 for a failed frame."""
        return [int(r.detections.boxes[0, 0]) if len(r.detections) else -1 for r in self.results]

    def moments(self, begin: str, end: str) -> list[str]:
        """Return the trace from one moment to another, as `RPN 1` for a begin and `RPN 1 done` for an end."""
        lines = [moment(event) for event in self.trace if event.stage in SHORT]
        return lines[lines.index(begin) : lines.index(end) + 1]

    def spans_ns(self, stage: Stage) -> dict[int, tuple[int, int]]:
        """Return begin and end, from the trace, of a stage in every frame in which it ended."""
        begins = {e.sequence: e.now_ns for e in self.trace if e.stage is stage and not e.is_end}
        return {e.sequence: (begins[e.sequence], e.now_ns) for e in self.trace if e.stage is stage and e.is_end}

    def _replace(self, hung: list[Slot]) -> None:
        self.pool.note_hung(hung)
        self.set_mode(self.mode)

    def _arrive(self, number: int) -> None:
        self._to_come -= 1
        self._held_back.append(number)
        self._send()

    def _send(self) -> None:
        while self._held_back and (self.pipeline.policy is DropPolicy.LIVE or self.pipeline.has_room):
            number = self._held_back.popleft()
            self.sent.append((self.clock.now_ns(), len(self.sent)))
            assert self.pipeline.submit(np.full((1, 4), number, np.float32), f"token {number}")

    def _follow(self, event: StageEvent) -> None:
        self.trace.append(event)
        if event.stage is Stage.QUEUE and event.is_end:
            self._send()


def moment(event: StageEvent) -> str:
    """Format an event of the trace as `RPN 1` for a begin and `RPN 1 done` for an end."""
    return f"{SHORT[event.stage]} {event.sequence}{' done' if event.is_end else ''}"


def _zeros() -> Iterable[int]:
    while True:
        yield 0
