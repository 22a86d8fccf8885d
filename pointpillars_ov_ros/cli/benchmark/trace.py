# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov trace`, once its arguments are known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pointpillars_ov_ros.cli.benchmark.plot import FRAMES, PanelGroup, draw_benchmark, make_group
from pointpillars_ov_ros.config.errors import DatasetError, count_of
from pointpillars_ov_ros.inference.pipeline.frames import StageEvent
from pointpillars_ov_ros.inference.trace.reader import RecordedTrace, read_trace


def run_trace(options: argparse.Namespace) -> int:
    """Plot a few frames of each trace, those of the same devices over one time axis."""
    traces = []
    for path in options.traces:
        trace = read_trace(path)
        if trace.warning:
            print(f"warning: {trace.warning}", file=sys.stderr)
        frames = sorted({event.sequence for event in trace.events})
        print(f"{path}: {trace.title}, {count_of(len(frames), 'frame')}")
        traces.append(trace._replace(events=choose(trace.events, frames, options.first, path)))
    title = "Recorded traces; the number in a bar is that of its frame, from the first shown"
    draw_benchmark(options.picture, title, [], make_groups(traces))
    print(f"picture  {options.picture}")
    return 0


def choose(events: Sequence[StageEvent], frames: Sequence[int], first: int | None, path: Path) -> list[StageEvent]:
    """Return the events from the `first`-th frame on (from 1), which becomes frame 0; None: the middle one."""
    index = max(0, (len(frames) - FRAMES) // 2) if first is None else first - 1
    if index >= len(frames):
        raise DatasetError(f"{path} has {count_of(len(frames), 'frame')}, so --first {first} is not possible")
    # Earlier frames are partly visible in the picture: frames overlap.
    return [event._replace(sequence=event.sequence - frames[index]) for event in events]


def make_groups(traces: Sequence[RecordedTrace]) -> list[PanelGroup]:
    """Group traces of the same devices."""
    groups: dict[tuple[str, str], dict[str, list[StageEvent]]] = {}
    for number, trace in enumerate(traces, 1):
        groups.setdefault(trace.devices, {})[f"{number}: {trace.title}"] = trace.events
    return [make_group(f"PFE on {pfe}, RPN on {rpn}", (pfe, rpn), some, 0) for (pfe, rpn), some in groups.items()]
