# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of `latency_report`, as SVG for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pointpillars_ov_ros.cli.latency_report.runs import (
    LatencyRun,
    added,
    budget,
    events,
    percentiles_over_time,
)
from pointpillars_ov_ros.cli.plotting import (
    BAD,
    GREY,
    PERCENTILE_SHADES,
    SERIES,
    STAGES,
    new_figure,
    style_axes,
    to_svg,
)
from pointpillars_ov_ros.cli.tables import PERCENTILES
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.ros.timing_message import AMISS

_LOSSES = dict(zip(AMISS, SERIES[2:], strict=True))
_WIDTH = 11.0
_BINS = 60


def draw_over_time(run: LatencyRun, longest_ms: float) -> str:
    """Plot percentiles of `total` over the run, with events and losses; all runs of a page use the same time axis."""
    figure, axis = _axes(2.8)
    if run.done:
        clouds = [each.at_s for each in run.done]
        axis.plot(clouds, run.values("total"), ".", color=GREY, markersize=4, zorder=1)
        times, rows = percentiles_over_time(run, "total")
        names = list(PERCENTILES)
        # The highest first, so that lower ones are drawn over it.
        for column in reversed(range(len(names))):
            style = {"marker": ".", "markersize": 4, "linewidth": 1.2 if column else 1.8}
            axis.plot(times, rows[:, column], color=PERCENTILE_SHADES[column], label=names[column], **style)
        axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, ncol=4, frameon=False)
    for at_s, _ in events(run)[:50]:
        axis.axvline(at_s, color="black", linewidth=0.8, linestyle="--")
    lost = [at_s for at_s, step in added(run) if any(step[name] for name in AMISS)]
    axis.plot(lost, np.zeros(len(lost)), "|", color=BAD, markersize=9, clip_on=False)
    axis.set_xlabel("s")
    axis.set_ylabel("ms")
    axis.set_title(run.title, loc="left", fontsize=9)
    axis.set_xlim(0, max(run.duration_s, 1e-3))
    axis.set_ylim(0, 1.05 * longest_ms or 1.0)
    return to_svg(figure)


def draw_histogram(runs: Sequence[LatencyRun]) -> str:
    """Plot the histogram of latencies, all runs with the same bins."""
    figure, axis = _axes(2.6)
    totals = [run.values("total") for run in runs]
    every = np.concatenate(totals)
    if len(every):
        # One outlier must not squeeze all others into a single column; it is counted in the last one.
        edges = np.linspace(every.min(), max(float(np.percentile(every, 99.5)), every.min() + 1e-3), _BINS + 1)
        for letter, values, color in zip("AB", totals, SERIES, strict=False):
            label = f"{letter}, {count_of(len(values), 'cloud')}" if len(runs) > 1 else count_of(len(values), "cloud")
            axis.hist(np.minimum(values, edges[-1]), edges, color=color, alpha=0.6, label=label)
        axis.legend(fontsize=8, frameon=False)
    axis.set_xlabel("ms from reception to detections; the last column includes all longer ones")
    axis.set_ylabel("clouds")
    return to_svg(figure)


def draw_budgets(runs: Sequence[LatencyRun]) -> str:
    """Plot the parts of the mean age of each run as a bar."""
    figure, axis = _axes(0.9 + 0.5 * len(runs))
    labelled: set[str] = set()
    for row, run in enumerate(runs):
        left = 0.0
        for name, mean in (budget(run) if run.done else {}).items():
            width = max(0.0, mean)
            label = name if name not in labelled else None
            labelled.add(name)
            axis.barh(row, width, left=left, color=STAGES[name], label=label)
            left += width
        axis.text(left, row, f" {left:.1f} ms", va="center", fontsize=8)
    axis.set_yticks(range(len(runs)), ["A", "B"][: len(runs)] if len(runs) > 1 else [""])
    axis.invert_yaxis()
    axis.margins(x=0.08)
    axis.set_xlabel("ms")
    if labelled:
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, ncol=len(labelled), frameon=False)
    return to_svg(figure)


def draw_losses(runs: Sequence[LatencyRun]) -> str:
    """Plot how many clouds had no detections, and why, over the runs."""
    figure, axes = _axes(1.7 * len(runs), len(runs))
    for axis, run in zip(axes if len(runs) > 1 else [axes], runs, strict=True):
        steps = added(run)
        times = [at_s for at_s, _ in steps]
        for name, color in _LOSSES.items():
            sums = np.cumsum([step[name] for _, step in steps])
            if len(sums) and sums[-1]:
                axis.step(times, sums, where="post", color=color, label=f"{name}: {sums[-1]}")
        axis.set_title(run.title, loc="left", fontsize=9)
        axis.set_ylabel("clouds so far")
        axis.legend(loc="upper left", fontsize=8, frameon=False)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("s")
    return to_svg(figure)


def _axes(height: float, rows: int = 1) -> tuple[Any, Any]:
    figure = new_figure(_WIDTH, height)
    axes = figure.subplots(rows, 1)
    for axis in np.atleast_1d(axes):
        style_axes(axis)
    return figure, axes
