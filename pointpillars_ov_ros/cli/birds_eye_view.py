# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bird's-eye view of one frame: points, detections, ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pointpillars_ov_ros.cli.label_places import Rectangle, place_labels
from pointpillars_ov_ros.cli.plotting import (
    CLASSES,
    NIGHT,
    NIGHT_EDGE,
    NIGHT_PANEL,
    NIGHT_TEXT,
    SENSOR,
    new_figure,
    save_png,
)
from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray
from pointpillars_ov_ros.core.detections import Detections

_LABEL_SIZE, _LABEL_MARGIN = 7, 3.0
"""Size of the font (points), and margin around a label (pixels)."""
_LABEL_DISTANCES = (6.0, 16.0, 28.0, 42.0, 60.0)
"""Distances of a label from the centre of its box (points), tried in order."""
_TRUTH, _SOFT_TEXT = "#ffffff", "#c8ccd2"


def draw_birds_eye_view(
    path: Path,
    points: FloatArray,
    detections: Detections,
    truth: FloatArray | None,
    classes: tuple[str, ...],
    grid: GridConfig,
    title: str,
) -> None:
    """Plot `points` (N, >= 3), detections and `truth` (K, 7), all in the lidar frame, to a PNG; forward is up."""
    figure = new_figure(11, 10, background=NIGHT, layout=None)
    axes = figure.subplots()
    axes.set_facecolor(NIGHT)
    inside = (points[:, 0] >= grid.x_range[0]) & (points[:, 0] < grid.x_range[1])
    inside &= (points[:, 1] >= grid.y_range[0]) & (points[:, 1] < grid.y_range[1])
    shown = points[inside]
    # Left of the vehicle (+y) is left in the picture.
    scatter = axes.scatter(
        shown[:, 1], shown[:, 0], c=shown[:, 2], s=0.6, cmap="viridis", vmin=-2.0, vmax=1.0, linewidths=0
    )
    if truth is not None:
        for box in truth:
            _draw_box(axes, box, _TRUTH, width=2.6, alpha=0.55)
    for box, label in zip(detections.boxes, detections.labels, strict=True):
        _draw_box(axes, box, CLASSES[label % len(CLASSES)], width=1.3, alpha=1.0)
    _decorate(figure, axes, grid, title)
    legend = _add_legend(axes, classes, truth is not None)
    bar = figure.colorbar(scatter, ax=axes, shrink=0.5, pad=0.02)
    bar.set_label("height above the sensor (m)", color=_SOFT_TEXT)
    bar.ax.tick_params(colors=_SOFT_TEXT)
    # Last, since the positions of everything else are only known now.
    _add_labels(figure, axes, detections, classes, legend)
    save_png(figure, path, 130, facecolor=NIGHT, bbox_inches="tight")


def _add_labels(figure: Any, axes: Any, detections: Detections, classes: tuple[str, ...], legend: Any) -> None:
    """Write class and score beside each box, best score first, unless that covers another label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    axes.apply_aspect()
    renderer, to_pixels = FigureCanvasAgg(figure).get_renderer(), axes.transData
    texts = [f"{classes[k]} {s:.2f}" for k, s in zip(detections.labels, detections.scores, strict=True)]
    sizes = np.array([_measure(axes, renderer, text) for text in texts]).reshape(-1, 2)
    anchors = to_pixels.transform(detections.boxes[:, (1, 0)].astype(np.float64).reshape(-1, 2))
    things = [_around(to_pixels.transform(footprint(box)[:, ::-1])) for box in detections.boxes]
    pixels = figure.dpi / 72.0
    distances = [points * pixels for points in _LABEL_DISTANCES]
    taken, bounds = [_around(legend.get_window_extent(renderer).get_points())], _around(axes.bbox.get_points())
    places = place_labels(anchors, sizes, distances, things, taken, bounds)
    for k, place in enumerate(places):
        if place is None:
            continue
        box = detections.boxes[k]
        offset = (np.array([place.left + place.right, place.bottom + place.top]) / 2 - anchors[k]) / pixels
        color = CLASSES[detections.labels[k] % len(CLASSES)]
        axes.annotate(
            texts[k], (box[1], box[0]), xytext=tuple(offset), textcoords="offset points", ha="center", va="center",
            color=color, fontsize=_LABEL_SIZE, bbox={"facecolor": NIGHT, "alpha": 0.6, "edgecolor": "none", "pad": 0.8},
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.4, "alpha": 0.7, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def _measure(axes: Any, renderer: Any, text: str) -> tuple[float, float]:
    """Return width and height of a label with its margin (pixels)."""
    drawn = axes.text(0, 0, text, fontsize=_LABEL_SIZE)
    extent = drawn.get_window_extent(renderer)
    drawn.remove()
    return extent.width + _LABEL_MARGIN, extent.height + _LABEL_MARGIN


def _around(corners: DoubleArray) -> Rectangle:
    (left, bottom), (right, top) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Rectangle(left, bottom, right, top)


def footprint(box: FloatArray) -> DoubleArray:
    """Return the outline of a box (7,) in bird's-eye view, from front left over the rear to front right, (4, 2) x y."""
    x, y, _, length, width, _, yaw = (float(value) for value in box)
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * (length / 2, width / 2)
    turn = np.array([(np.cos(yaw), -np.sin(yaw)), (np.sin(yaw), np.cos(yaw))])
    return np.asarray(corners @ turn.T + (x, y))


def _draw_box(axes: Any, box: FloatArray, color: str, width: float, alpha: float) -> None:
    outline = footprint(box)
    closed = np.vstack([outline, outline[:1]])
    axes.plot(closed[:, 1], closed[:, 0], color=color, linewidth=width, alpha=alpha)
    front = (outline[0] + outline[3]) / 2
    heading = np.vstack([box[:2], front + (front - box[:2]) * 0.4])
    axes.plot(heading[:, 1], heading[:, 0], color=color, linewidth=width, alpha=alpha)


def _decorate(figure: Any, axes: Any, grid: GridConfig, title: str) -> None:
    from matplotlib.patches import Circle

    for radius in range(20, int(grid.x_range[1]) + 20, 20):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=NIGHT_EDGE, linewidth=0.6))
        axes.annotate(f"{radius} m", (0, radius), color="#6b7480", fontsize=7)
    axes.plot(0, 0, marker="^", color=SENSOR, markersize=9)
    axes.set_xlim(grid.y_range[1], grid.y_range[0])
    axes.set_ylim(grid.x_range[0] - 2, grid.x_range[1])
    axes.set_aspect("equal")
    axes.set_xlabel("y, left (m)", color=_SOFT_TEXT)
    axes.set_ylabel("x, forward (m)", color=_SOFT_TEXT)
    axes.set_title(title, color=NIGHT_TEXT, fontsize=11)
    axes.tick_params(colors=_SOFT_TEXT)
    for spine in axes.spines.values():
        spine.set_color(NIGHT_EDGE)


def _add_legend(axes: Any, classes: tuple[str, ...], has_truth: bool) -> Any:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=CLASSES[label % len(CLASSES)], label=f"{name}, detected")
        for label, name in enumerate(classes)
    ]
    if has_truth:
        entries.append(Line2D([], [], color=_TRUTH, linewidth=2.6, alpha=0.55, label="ground truth"))
    colors = {"facecolor": NIGHT_PANEL, "edgecolor": NIGHT_EDGE, "labelcolor": NIGHT_TEXT}
    return axes.legend(handles=entries, loc="upper right", **colors)
