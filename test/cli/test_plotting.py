# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures: any text in them is taken as it is, and they are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointpillars_ov_ros.cli.plotting import new_figure, save_png, to_svg

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
