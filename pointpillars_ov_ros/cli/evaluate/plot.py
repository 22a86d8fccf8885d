# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plot of precision over recall, with a panel for each class, metric and overlap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pointpillars_ov_ros.cli.plotting import DIFFICULTIES, GRID, new_figure, save_png
from pointpillars_ov_ros.kitti.evaluation import Curve
from pointpillars_ov_ros.kitti.evaluation_rules import RECALL_STEPS, Metric


def draw_curves(path: Path, curves: Sequence[Curve], title: str) -> None:
    """Plot the curves to a PNG: classes below each other, metrics side by side."""
    panels: dict[tuple[str, Metric, float], list[Curve]] = {}
    for curve in curves:
        panels.setdefault((curve.class_name, curve.metric, curve.min_overlap), []).append(curve)
    classes = list(dict.fromkeys(name for name, _, _ in panels))
    by_class = [[panel for key, panel in panels.items() if key[0] == name] for name in classes]
    columns = max(map(len, by_class))
    size = (3.6 * columns, 3.4 * len(classes) + 0.6)
    figure = new_figure(*size, layout="tight")
    axes = figure.subplots(len(classes), columns, squeeze=False, sharex=True, sharey=True)
    for row, drawn in zip(axes, by_class, strict=True):
        for place, panel in zip(row, drawn, strict=False):
            _draw_panel(place, panel)
        for place in row[len(drawn) :]:
            place.set_axis_off()
        row[0].set_ylabel("precision")
    for place in axes[-1]:
        place.set_xlabel("recall")
    figure.suptitle(title, fontsize=11)
    save_png(figure, path, 120)


def _draw_panel(axes: Any, curves: Sequence[Curve]) -> None:
    """Plot the difficulties of one class, metric and overlap."""
    recall = np.arange(RECALL_STEPS + 1) / RECALL_STEPS
    for curve, color in zip(curves, DIFFICULTIES, strict=False):
        label = f"{curve.difficulty}: {curve.ap_r40:.1f} ({curve.objects})" if curve.objects else curve.difficulty
        axes.step(recall, curve.precision, where="pre", color=color, linewidth=1.6, label=label)
    first = curves[0]
    axes.set_title(f"{first.class_name} {first.metric.value.upper()}, IoU > {first.min_overlap:g}", fontsize=10)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.03)
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(fontsize=7, loc="best", title="AP R40 (objects)", title_fontsize=7)
