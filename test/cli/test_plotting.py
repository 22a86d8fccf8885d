# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures: any text in them is taken as it is, and they are written whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.cli.plotting import (
    CLASSES,
    DIFFICULTIES,
    OBJECTS,
    SERIES,
    STAGES,
    new_figure,
    save_png,
    text_color,
    to_svg,
)

TITLES = ["$x^{$", "a $ b", r"\\frac{", "{}", "%d", "<b>"]


@pytest.mark.parametrize("layout", ["constrained", "tight", None])
@pytest.mark.parametrize("title", TITLES)
def test_a_text_is_no_formula(title: str, layout: str | None, tmp_path: Path) -> None:
    figure = new_figure(4, 3, layout=layout)
    figure.suptitle(title)
    axes = figure.subplots()
    axes.set_title(title)
    axes.plot([0, 1], label=title)
    axes.legend()
    save_png(figure, tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert to_svg(figure).startswith("<svg")


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError):
        save_png(new_figure(0, 0), path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# Machado, Oliveira, Fernandes (2009), severity 1: linear RGB as it is seen without one kind of cone.
EYES = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
XYZ = np.array([(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)])
WHITE_POINT = np.array([0.9505, 1.0, 1.089])
LEAST_DIFFERENCE = 12.0
"""Between two colours in CIELAB; 2 are just told apart side by side."""


def lab(color: str, eye: str) -> npt.NDArray[np.float64]:
    """Return a colour `#rrggbb` in CIELAB, as an eye sees it."""
    parts = np.array([int(color[index : index + 2], 16) for index in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    relative = XYZ @ np.clip(np.array(EYES[eye]) @ linear, 0, 1) / WHITE_POINT
    x, y, z = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    "palette",
    [CLASSES, SERIES, DIFFICULTIES, tuple(OBJECTS.values()), tuple(STAGES.values())[1:-1]],
    ids=["classes", "series", "difficulties", "objects", "stages"],
)
def test_the_colour_blind_tell_the_colours_apart(palette: Sequence[str], eye: str) -> None:
    for one, other in itertools.combinations(palette, 2):
        assert np.linalg.norm(lab(one, eye) - lab(other, eye)) >= LEAST_DIFFERENCE, (one, other)


@pytest.mark.parametrize("color", STAGES.values())
def test_a_number_on_a_bar_is_read_easily(color: str) -> None:
    background, text = (lab(one, "normal")[0] for one in (color, text_color(color).replace("white", "#ffffff")))
    assert abs(background - text) >= 40
