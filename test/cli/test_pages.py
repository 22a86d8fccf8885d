# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages: they fit a phone, where what is wide scrolls by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import pointpillars_ov_ros.cli

TEMPLATES = sorted((Path(pointpillars_ov_ros.cli.__file__).parent / "templates").glob("*.html"))
BASE = next(path for path in TEMPLATES if path.name == "base.html")


class Wide(HTMLParser):
    """Finds tables and pictures that are in no element of the class `wide`."""

    def __init__(self) -> None:
        super().__init__()
        self.loose: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            self._open.append("wide" in (dict(attrs).get("class") or "").split())
        if tag in ("table", "svg") and not any(self._open):
            self.loose.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._open.pop()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_is_wide_scrolls_by_itself(path: Path) -> None:
    # Pictures that Python puts in are a word of the template.
    text = re.sub(r"\{\{ (picture|histogram|budgets|losses) \}\}", "<svg></svg>", path.read_text(encoding="utf-8"))
    wide = Wide()
    wide.feed(re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL))
    assert wide.loose == []


def test_a_page_is_as_wide_as_the_screen() -> None:
    text = BASE.read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width' in text and ".wide { overflow-x: auto; }" in text
    others = [path for path in TEMPLATES if path != BASE]
    assert others and all('{% extends "base.html" %}' in path.read_text(encoding="utf-8") for path in others)
