# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plot of a recording of `timeline` as a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointpillars_ov_ros.cli.plotting import GREY, SERIES, new_figure, save_png
from pointpillars_ov_ros.cli.timeline.recording import Recording, TimelineRun, batches, overtaken, switches


def draw_recording(path: Path, recording: Recording) -> None:
    """Plot all runs below each other, with the same time axis."""
    runs = recording.runs
    is_batch = recording.kind == "auto-batch"
    height = 1.2 + sum(2.0 + 0.09 * len(run.requests) if is_batch else 2.6 for run in runs)
    figure = new_figure(11, height)
    axes = figure.subplots(len(runs), 1, sharex=True, squeeze=False)
    for axis, run in zip(axes[:, 0], runs, strict=True):
        (_draw_batches if is_batch else _draw_switch)(axis, run)
        simulated = f"\nSIMULATED: {run.simulated}" if run.simulated else ""
        axis.set_title(run.title + simulated, loc="left", fontsize=10)
        axis.grid(alpha=0.3)
        axis.set_xlim(left=0)
    axes[-1, 0].set_xlabel("time since compiling began (ms)")
    asked = ", ".join(f"{name} {value}" for name, value in recording.settings.items())
    figure.suptitle(f"{recording.machine}\n{asked}", fontsize=9)
    save_png(figure, path)


def _draw_switch(axis: Any, run: TimelineRun) -> None:
    """Plot latency over the time at which requests ended, one colour per device."""
    _draw_compiling(axis, run, 0)
    for index, name in enumerate(dict.fromkeys(entry.device for entry in run.requests)):
        some = [entry for entry in run.requests if entry.device == name]
        color, done = SERIES[index % len(SERIES)], [entry.completed_ms for entry in some]
        axis.plot(done, [entry.latency_ms for entry in some], "o", markersize=4, color=color, label=f"on {name}")
        axis.plot(done, [entry.completed_ms - entry.accepted_ms for entry in some], "_", markersize=6, color=color)
    for entry in switches(run):
        axis.axvline(entry.completed_ms, color="black", linewidth=1, linestyle="--")
        axis.annotate(f" {entry.device}", (entry.completed_ms, 1), xycoords=("data", "axes fraction"), va="top")
    axis.set_ylim(bottom=0)
    axis.plot([], [], "_", color="black", label="without waiting for a free request")
    axis.set_ylabel("due to done (ms)")
    axis.legend(loc="upper right", fontsize=8)


def _draw_batches(axis: Any, run: TimelineRun) -> None:
    """Plot a line per request, from due to started to done; those done together share a colour."""
    _draw_compiling(axis, run, -1)
    for index, group in enumerate(batches(run)):
        color = SERIES[index % len(SERIES)]
        for entry in group:
            axis.plot([entry.submitted_ms, entry.accepted_ms], [entry.number] * 2, color=GREY, linewidth=2)
            axis.plot([entry.accepted_ms, entry.completed_ms], [entry.number] * 2, color=color, linewidth=3)
        rows = [entry.number for entry in group]
        end = group[-1].completed_ms
        axis.plot([end, end], [min(rows) - 0.4, max(rows) + 0.4], color=color, linewidth=1)
        axis.annotate(f" {len(group)}", (end, max(rows)), va="center", fontsize=7, color=color)
    late = overtaken(run)
    axis.plot(
        [entry.completed_ms for entry in late], [entry.number for entry in late],
        "x", color="black", markersize=5, label="done after a later one",
    )  # fmt: skip
    axis.plot([], [], color=GREY, linewidth=2, label="due, not yet started")
    axis.plot([], [], color=SERIES[0], linewidth=3, label="started to done; a colour and a number for each group")
    axis.invert_yaxis()
    axis.set_ylabel("request")
    axis.legend(loc="upper right", fontsize=8)


def _draw_compiling(axis: Any, run: TimelineRun, row: float) -> None:
    axis.plot([0, run.compile_ms], [row, row], color="black", linewidth=4, alpha=0.6, label="compiling")
