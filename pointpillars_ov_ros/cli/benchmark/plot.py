# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of `benchmark`: stage times stacked, and below them the work over time, for a few frames in each mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pointpillars_ov_ros.cli.benchmark.figures import WORK
from pointpillars_ov_ros.cli.benchmark.gantt import ROWS, Bar, TimelineRow, Trace
from pointpillars_ov_ros.cli.plotting import INK, STAGES, new_figure, save_png, style_axes, text_color
from pointpillars_ov_ros.inference.pipeline.frames import StageEvent

FRAMES = 3
"""Number of complete frames to show of the slowest mode; the others show the same span of time."""

ON_HOST = "host"
"""Name of the device if the host encodes and there is none."""

_NAMES = {"pfe": "PFE", "rpn": "RPN"}
_WIDTH_INCHES, _STACK_INCHES, _ROW_INCHES, _HEAD_INCHES = 13.0, 0.34, 0.34, 1.1
_ROW_HEIGHT = 0.8
_WIDE = 0.011
"""Minimum width, relative to the axis, of a bar that its frame's number fits into."""
_NARROW = 0.0012
"""Narrower bars are drawn this wide to be visible."""


class Stack(NamedTuple):
    """Stage times of a configuration, by the names of `WORK`."""

    label: str
    stages_ms: Mapping[str, float]
    total_ms: float
    """End-to-end latency, including waiting."""


class Panel(NamedTuple):
    """Timeline of one mode."""

    title: str
    trace: Trace
    """Trace of a few frames, from 0 on."""


class PanelGroup(NamedTuple):
    """Panels below each other over one time axis."""

    title: str
    rows: Mapping[TimelineRow, str]
    """Rows to draw, and their labels."""
    span_ms: float
    panels: Sequence[Panel]


def make_group(
    title: str, devices: tuple[str, str], traces: Mapping[str, Sequence[StageEvent]], first: int
) -> PanelGroup:
    """Return a panel for each trace, by its title, all over the time that the slowest takes for a few frames.

    `devices` are those of PFE and RPN. `first` is the frame at which the time starts, when the pipeline has settled.
    """
    found = {name: Trace.of(events) for name, events in traces.items()}
    span_ms = max(trace.duration_ms(first, FRAMES) for trace in found.values())
    span_ms = min(span_ms, *(trace.duration_ms(first) for trace in found.values()))
    rows = {TimelineRow.HOST: "host", TimelineRow.PFE: f"PFE on {devices[0]}", TimelineRow.RPN: f"RPN on {devices[1]}"}
    if devices[0] == ON_HOST:
        rows = {TimelineRow.HOST: "host, with PFE", TimelineRow.RPN: rows[TimelineRow.RPN]}
    return PanelGroup(title, rows, span_ms, [Panel(name, trace.cut(first, span_ms)) for name, trace in found.items()])


def draw_benchmark(path: Path, title: str, stacks: Sequence[Stack], groups: Sequence[PanelGroup]) -> None:
    """Plot to a PNG; `stacks` may be empty."""
    heights = [_STACK_INCHES * len(stacks) + _HEAD_INCHES] if stacks else []
    heights += [(_ROW_INCHES * len(group.rows) + 0.35) * len(group.panels) + _HEAD_INCHES for group in groups]
    figure = new_figure(_WIDTH_INCHES, sum(heights) + 0.4)
    figure.suptitle(title, fontsize=11, color=INK)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0].tolist()
    if stacks:
        _draw_stacks(parts.pop(0), stacks)
    for part, group in zip(parts, groups, strict=True):
        _draw_group(part, group)
    save_png(figure, path)


def _draw_stacks(figure: Any, stacks: Sequence[Stack]) -> None:
    """Draw a horizontal bar for each configuration: all stages on the left, those of the host on the right."""
    everything, host = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (1.6, 1.0)})
    _draw_bars(everything, stacks, list(WORK))
    _draw_bars(host, stacks, [name for name in WORK if name not in _NAMES])
    everything.set_yticks(range(len(stacks)), [stack.label for stack in stacks], fontsize=8)
    everything.invert_yaxis()
    everything.set_xlabel("all stages, medians (ms); in parentheses end to end, including waiting", fontsize=8)
    host.set_xlabel("host only (ms)", fontsize=8)
    limit = everything.get_xlim()[1]
    for place, stack in enumerate(stacks):
        note = f"{sum(stack.stages_ms.values()):.0f} ({stack.total_ms:.0f})"
        everything.annotate(
            note, (sum(stack.stages_ms.values()), place), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=8,
        )  # fmt: skip
    everything.set_xlim(0.0, 1.12 * limit)
    figure.suptitle("A frame from cloud message to detection message", fontsize=10, color=INK, x=0.01, ha="left")
    _add_legend(figure, list(WORK))


def _draw_bars(axes: Any, stacks: Sequence[Stack], stages: Sequence[str]) -> None:
    left = [0.0] * len(stacks)
    for stage in stages:
        widths = [stack.stages_ms.get(stage, 0.0) for stack in stacks]
        axes.barh(range(len(stacks)), widths, left=left, height=0.68, color=STAGES[stage])
        left = [begin + width for begin, width in zip(left, widths, strict=True)]
    axes.tick_params(left=False)
    _style(axes)


def _draw_group(figure: Any, group: PanelGroup) -> None:
    """Draw the panels below each other."""
    all_axes = figure.subplots(len(group.panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(all_axes, group.panels, strict=True):
        for place, row in enumerate(group.rows):
            lanes = panel.trace.lanes(row)
            height = _ROW_HEIGHT / max(1, len(lanes))
            for index, lane in enumerate(lanes):
                middle = place + (index + 0.5) * height - _ROW_HEIGHT / 2
                for bar in lane:
                    _draw_bar(axes, bar, middle, height, group.span_ms)
        axes.set_title(panel.title, fontsize=9, loc="left", color=INK)
        axes.set_yticks(range(len(group.rows)), list(group.rows.values()), fontsize=8)
        axes.set_ylim(len(group.rows) - 0.5, -0.5)
        axes.set_xlim(0.0, group.span_ms)
        _style(axes)
    all_axes[-1].set_xlabel("time (ms)", fontsize=8)
    figure.suptitle(group.title, fontsize=10, color=INK, x=0.01, ha="left")
    _add_legend(figure, [stage.name.lower() for stage in ROWS if ROWS[stage] in group.rows])


def _draw_bar(axes: Any, bar: Bar, middle: float, height: float, span_ms: float) -> None:
    width = bar.end_ms - bar.begin_ms
    is_wide, color = width >= _WIDE * span_ms, STAGES[bar.stage.name.lower()]
    axes.barh(
        middle, max(width, _NARROW * span_ms), left=bar.begin_ms, height=height, color=color,
        edgecolor="white", linewidth=0.6 if is_wide else 0.0,
    )  # fmt: skip
    if is_wide:
        axes.text(
            bar.begin_ms + width / 2, middle, str(bar.sequence), ha="center", va="center", fontsize=7.5,
            color=text_color(color),
        )  # fmt: skip


def _add_legend(figure: Any, stages: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=STAGES[stage], label=_NAMES.get(stage, stage)) for stage in stages]
    figure.legend(handles=patches, ncol=len(patches), fontsize=8, frameon=False, loc="upper right")


def _style(axes: Any) -> None:
    axes.tick_params(labelsize=8, colors=INK)
    style_axes(axes, "x")
    axes.spines["left"].set_visible(False)
