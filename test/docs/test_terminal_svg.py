# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording of a terminal shows what was on the screen, in an SVG that any browser reads."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from docs_tools.terminal_svg import LONGEST_PAUSE_S, make_svg, record, shown


def test_a_recording_has_the_lines_of_a_real_terminal() -> None:
    lines = record(r"test -t 1 && printf 'one & <two>\n'; printf '10%%\r\033[1m100%%\033[0m\nend'")
    assert [text for _, text in lines] == ["one & <two>", "100%", "end"]


def test_a_command_that_fails_is_no_recording() -> None:
    with pytest.raises(RuntimeError, match="exit code 3\nsorry"):
        record("echo sorry; exit 3")
    assert record("echo sorry; exit 3", allowed=(3,))[0][1] == "sorry"


def test_a_line_is_what_is_left_on_the_screen() -> None:
    assert shown("\x1b[31m10 %\x1b[0m\r50 %\r100 %  \r") == "100 %"


def test_the_svg_holds_every_line_and_shortens_pauses() -> None:
    root = ElementTree.fromstring(make_svg("a --b", [(0.5, "x < y"), (60.0, "z")]))
    texts = root.findall("{http://www.w3.org/2000/svg}text")
    assert [text.text for text in texts] == ["$ a --b", "x < y", "z"]
    delays = [float(text.get("style", "").partition(":")[2].rstrip("s")) for text in texts]
    assert delays[2] - delays[1] == pytest.approx(LONGEST_PAUSE_S)
