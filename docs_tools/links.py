# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the links of Markdown files of this repository, what they lead to, and the anchors that files have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]*))?\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Link:
    """A link from one file to another, both below the repository."""

    page: Path
    target: Path
    anchor: str


def read_links(page: Path) -> list[Link]:
    """Return the links of a page that stay in this repository; ValueError where one leaves it."""
    text = _CODE.sub("", _FENCED.sub("", (ROOT / page).read_text(encoding="utf-8")))
    links = []
    for match in LINK.finditer(text):
        if "://" in match["target"] or match["target"].startswith("mailto:"):
            continue
        target = (ROOT / page).parent / match["target"] if match["target"] else ROOT / page
        try:
            below = target.resolve().relative_to(ROOT)
        except ValueError:
            raise ValueError(f"{page}: {match['target']} leaves the repository") from None
        links.append(Link(page, below, match["anchor"] or ""))
    return links


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and MkDocs make them."""
    text = _FENCED.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return {slug(title) for title in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)}


def slug(title: str) -> str:
    """Return the anchor of a heading."""
    kept = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return kept.replace(" ", "-")
