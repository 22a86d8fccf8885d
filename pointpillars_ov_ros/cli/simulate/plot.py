# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated frame from above: points by height, boxes by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pointpillars_ov_ros.cli.birds_eye_view import footprint
from pointpillars_ov_ros.synthetic import SimulatedFrame

_REACH = 50.0
"""Of the picture, ahead, behind, left and right (m)."""
_COLORS = {"Car": "#3ddc84", "Van": "#4fa3ff", "Truck": "#b98cff", "Pedestrian": "#ffc02e", "Cyclist": "#ff5fa2"}
_OTHERS = "#8fd3e8"
_BACKGROUND, _TEXT = "#10141a", "#e8eaed"


def draw_frame(path: Path, frame: SimulatedFrame, title: str) -> None:
    """Draw points and the boxes of objects with points to a PNG; forward is up, left is left."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    figure, axes = pyplot.subplots(figsize=(11, 11), facecolor=_BACKGROUND)
    axes.set_facecolor(_BACKGROUND)
    points, labels = frame.points, frame.labels
    axes.scatter(points[:, 1], points[:, 0], c=points[:, 2], s=0.4, cmap="viridis", vmin=-2.0, vmax=1.5, linewidths=0)
    for box, name, count in zip(labels.boxes, labels.names, labels.points, strict=True):
        if count > 0:
            outline = footprint(box)
            # The extra stroke goes from the centre to the middle of the front.
            line = np.vstack([outline, outline[:1], box[:2], (outline[0] + outline[3]) / 2])
            axes.plot(line[:5, 1], line[:5, 0], color=_COLORS.get(name, _OTHERS), linewidth=1.2)
            axes.plot(line[5:, 1], line[5:, 0], color=_COLORS.get(name, _OTHERS), linewidth=1.2)
    axes.plot(0, 0, marker="^", color="#ff6b5e", markersize=9)
    axes.set_xlim(_REACH, -_REACH)
    axes.set_ylim(-_REACH, _REACH)
    axes.set_aspect("equal")
    axes.set_title(title, color=_TEXT)
    axes.tick_params(colors=_TEXT)
    entries = [Line2D([], [], color=color, label=name) for name, color in _COLORS.items() if name in labels.names]
    axes.legend(handles=entries, loc="upper right", facecolor="#1b212a", edgecolor="#3a424d", labelcolor=_TEXT)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, facecolor=_BACKGROUND, bbox_inches="tight", format="png")
    pyplot.close(figure)
