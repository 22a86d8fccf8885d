# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Creation and saving of figures, and their colours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

from pointpillars_ov_ros.config.files import write_whole

INK, GRID, GREY, BAD = "#2b3138", "#d7dbe0", "#9aa5b1", "#b3261e"
# The palettes below keep their colours apart for the colour-blind, too; test_plotting.py measures it.
SERIES = ("#2f7fc4", "#f0a929", "#2aa58a", "#c8452f", "#7b3f98", "#5c6670")
"""Colours of series without a colour of their own: runs, devices, batches."""
STAGES = {
    "stamp to reception": GREY, "convert": "#a9bccf", "queue": "#e3e7ec", "pillars": "#2f7fc4", "pfe": "#f0b429",
    "scatter": "#2aa58a", "rpn": "#c8452f", "decode": "#7b3f98", "message": "#5c6670", "in between": "#c3cad2",
}  # fmt: skip
"""Colours of the stages of a frame, in order."""
PERCENTILE_SHADES = ("#1f5f9e", "#4f8fd0", "#a9cbec", "#d9e2ec")
"""Colours of p50, p90, p99 and the maximum."""
DIFFICULTIES = ("#2aa58a", "#f0b429", "#8a2050")
NIGHT, NIGHT_PANEL, NIGHT_EDGE, NIGHT_TEXT = "#10141a", "#1b212a", "#3a424d", "#e8eaed"
"""Colours of bird's-eye views, with bright points: background, legend, its edge and the rings, text."""
SENSOR = "#ff6b5e"
CLASSES = ("#56b4e9", "#e69f00", "#cc79a7", "#f0e442", "#009e73")
"""Colours of the classes of a network, by label."""
OBJECTS = dict(zip(("Car", "Pedestrian", "Cyclist", "Van", "Truck"), CLASSES, strict=True))
"""Colours of the kinds of objects in simulated streets; those of known classes match the usual labels."""


def text_color(background: str) -> str:
    """Return white or INK, whichever is more legible on a colour `#rrggbb`."""
    red, green, blue = (int(background[at : at + 2], 16) / 255 for at in (1, 3, 5))
    # Roughly the lightness of the sRGB primaries; white on what is lighter is hard to read.
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.45 else "white"


def new_figure(
    width: float,
    height: float,
    *,
    background: str = "white",
    layout: Literal["constrained", "tight"] | None = "constrained",
) -> Any:
    """Return an empty Figure of a size in inches; texts are shown literally, whatever characters they contain."""
    import matplotlib
    from matplotlib.figure import Figure

    # A title may be a path or a name given by a user: `$` does not start a formula.
    if "text.parse_math" in matplotlib.rcParams:
        matplotlib.rcParams["text.parse_math"] = False
    # A Figure independent of pyplot: it needs no display, and no window keeps it alive.
    return Figure(figsize=(width, height), facecolor=background, layout=layout)


def save_png(figure: Any, path: Path, dpi: int = 110, **options: Any) -> None:
    """Write a figure to a PNG, completely or not at all."""
    write_whole(path, lambda fresh: figure.savefig(fresh, dpi=dpi, format="png", **options))


def to_svg(figure: Any) -> str:
    """Return a figure as an <svg> element for a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    # Without the XML declaration, which is not allowed in the middle of a page.
    return text[text.index("<svg") :]


def style_axes(axes: Any, grid: str = "both") -> None:
    """Draw a faint grid behind the data, and no frame at the top and right."""
    axes.grid(axis=grid, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
