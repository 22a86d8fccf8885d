# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plot of a training run: losses and learning rate over its steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pointpillars_ov_ros.config.files import write_whole

if TYPE_CHECKING:
    from pointpillars_ov_ros.training.trainer import Record

_LOSSES = {"loss": "#2b3138", "classes": "#c65a63", "boxes": "#4f8fd0", "directions": "#38a394"}
_RATE, _GRID = "#e8983a", "#d7dbe0"
_WINDOW = 50
"""Number of steps of the running mean; single steps scatter too much to see anything."""


def draw_curves(path: Path, records: Sequence[Record], title: str) -> None:
    """Plot to a PNG: each loss, faint as measured and strong as a running mean, and below the learning rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (4, 1)})
    steps = [record.step for record in records]
    for name, color in _LOSSES.items():
        values = np.array([getattr(record, name) for record in records])
        losses.plot(steps, values, color=color, alpha=0.2, linewidth=0.6)
        losses.plot(steps, running_mean(values), color=color, label="weighted sum" if name == "loss" else name)
    losses.set_yscale("log")
    losses.set_ylabel("loss per anchor with an object")
    losses.set_title(title, fontsize=10, loc="left")
    losses.legend(frameon=False, ncol=len(_LOSSES))
    rates.plot(steps, [record.learning_rate for record in records], color=_RATE)
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step")
    for axes in (losses, rates):
        axes.grid(color=_GRID, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    write_whole(path, lambda fresh: figure.savefig(fresh, dpi=100, format="png"))


def running_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last `_WINDOW` values up to each, over fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - _WINDOW)
    return (sums[ends] - sums[begins]) / (ends - begins)
