# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bird's-eye view of a simulated frame: points by height, boxes by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pointpillars_ov_ros.cli.birds_eye_view import footprint
from pointpillars_ov_ros.cli.plotting import (
    NIGHT,
    NIGHT_EDGE,
    NIGHT_PANEL,
    NIGHT_TEXT,
    OBJECTS,
    SENSOR,
    new_figure,
    save_png,
)
from pointpillars_ov_ros.synthetic import SimulatedFrame

_REACH = 50.0
"""Extent of the picture ahead, behind, left and right (m)."""
_OTHERS = "#8fd3e8"


def draw_frame(path: Path, frame: SimulatedFrame, title: str) -> None:
    """Plot points and the boxes of objects with points to a PNG; forward is up, left is left."""
    from matplotlib.lines import Line2D

    figure = new_figure(11, 11, background=NIGHT, layout=None)
    axes = figure.subplots()
    axes.set_facecolor(NIGHT)
    points, labels = frame.points, frame.labels
    axes.scatter(points[:, 1], points[:, 0], c=points[:, 2], s=0.4, cmap="viridis", vmin=-2.0, vmax=1.5, linewidths=0)
    for box, name, count in zip(labels.boxes, labels.names, labels.points, strict=True):
        if count > 0:
            outline = footprint(box)
            # The extra stroke goes from the centre to the middle of the front.
            line = np.vstack([outline, outline[:1], box[:2], (outline[0] + outline[3]) / 2])
            axes.plot(line[:5, 1], line[:5, 0], color=OBJECTS.get(name, _OTHERS), linewidth=1.2)
            axes.plot(line[5:, 1], line[5:, 0], color=OBJECTS.get(name, _OTHERS), linewidth=1.2)
    axes.plot(0, 0, marker="^", color=SENSOR, markersize=9)
    axes.set_xlim(_REACH, -_REACH)
    axes.set_ylim(-_REACH, _REACH)
    axes.set_aspect("equal")
    axes.set_title(title, color=NIGHT_TEXT)
    axes.tick_params(colors=NIGHT_TEXT)
    entries = [Line2D([], [], color=color, label=name) for name, color in OBJECTS.items() if name in labels.names]
    axes.legend(handles=entries, loc="upper right", facecolor=NIGHT_PANEL, edgecolor=NIGHT_EDGE, labelcolor=NIGHT_TEXT)
    save_png(figure, path, facecolor=NIGHT, bbox_inches="tight")
