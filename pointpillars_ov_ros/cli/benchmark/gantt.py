# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trace of a pipeline as bars over time: the work of the host and of each network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pointpillars_ov_ros.inference.pipeline.frames import ROWS, Stage, StageEvent, TimelineRow


class Bar(NamedTuple):
    """A stage of a frame, in milliseconds of the picture's time."""

    sequence: int
    stage: Stage
    begin_ms: float
    end_ms: float


class Trace(NamedTuple):
    """Bars of a pipeline, sorted by their beginning."""

    bars: Sequence[Bar]

    @classmethod
    def of(cls, events: Iterable[StageEvent]) -> Trace:
        """Pair begins with ends; 0 is the first event. Stages that did not end are left out.

        The host reports the end of an inference when it gets to it, so events are not sorted by time.
        """
        ordered = sorted(events, key=lambda event: event.now_ns)
        begun_ns: dict[tuple[int, Stage], int] = {}
        bars = []
        for sequence, stage, is_end, now_ns, _ in ordered:
            if stage not in ROWS:
                continue
            now_ns -= ordered[0].now_ns
            if not is_end:
                begun_ns[sequence, stage] = now_ns
            elif (sequence, stage) in begun_ns:
                bars.append(Bar(sequence, stage, begun_ns.pop((sequence, stage)) / 1e6, now_ns / 1e6))
        return cls(sorted(bars, key=lambda bar: (bar.begin_ms, bar.end_ms)))

    def duration_ms(self, first: int, frames: int = 1_000_000) -> float:
        """Return the time from the beginning of frame `first` to the end of the last of `frames` frames."""
        shown = [bar for bar in self.bars if first <= bar.sequence < first + frames]
        return max(bar.end_ms for bar in shown) - min(bar.begin_ms for bar in shown)

    def cut(self, first: int, span_ms: float) -> Trace:
        """Return the bars within `span_ms` from the beginning of frame `first`, which becomes 0.

        Bars that extend beyond are cut off there.
        """
        zero_ms = min(bar.begin_ms for bar in self.bars if bar.sequence == first)
        shifted = [bar._replace(begin_ms=bar.begin_ms - zero_ms, end_ms=bar.end_ms - zero_ms) for bar in self.bars]
        return Trace(
            [
                bar._replace(begin_ms=max(0.0, bar.begin_ms), end_ms=min(span_ms, bar.end_ms))
                for bar in shifted
                if bar.begin_ms < span_ms and bar.end_ms > 0.0
            ]
        )

    def lanes(self, row: TimelineRow) -> list[list[Bar]]:
        """Return the bars of a row, in as many lanes as bars overlap at most."""
        lanes: list[list[Bar]] = []
        for bar in self.bars:
            if ROWS[bar.stage] is not row:
                continue
            free = next((lane for lane in lanes if lane[-1].end_ms <= bar.begin_ms), None)
            if free is None:
                lanes.append([bar])
            else:
                free.append(bar)
        return lanes
