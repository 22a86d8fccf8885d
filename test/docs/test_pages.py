# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation is as it should be: generated pages are up to date, links lead somewhere, README is short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from docs_tools.blocks import ROOT, pages, read_blocks
from docs_tools.links import anchors, read_links
from docs_tools.parameters import PAGE, make_page

MAX_LINES = 180
MAX_WORDS = 30
README = ROOT / "README.md"


def sentences(text: str) -> list[str]:
    """Return the sentences, list items and table cells of a Markdown text, without code, addresses and comments."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`", "code", text)
    parts = re.split(r"\n\n|\n(?=[|*#])|(?<=[.:!?])\s|\|", text)
    return [" ".join(part.split()) for part in parts if part.strip()]


def test_readme_is_short_and_so_are_its_sentences() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    too_long = [sentence for sentence in sentences(text) if len(sentence.split()) > MAX_WORDS]
    assert not too_long


def test_the_sentences_of_a_text_are_found() -> None:
    found = sentences("# A b\n\nOne `x y` two. Three\nfour.\n\n| a b | c |\n```sh\nlong line\n```\n")
    assert found == ["# A b", "One code two.", "Three four.", "a b", "c"]


def test_the_page_of_the_parameters_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(), "run `python -m docs_tools.parameters`"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in read_links(page):
        assert (ROOT / link.target).exists(), link
        if link.anchor and link.target.suffix == ".md":
            assert link.anchor in anchors(link.target), link


def test_every_page_is_in_the_navigation_and_linked_from_the_first_one() -> None:
    entries = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2])
    own = {page.name for page in pages() if page.parent.name == "docs"}
    assert set(entries) == own and len(entries) == len(own)


def test_every_topic_of_the_security_policy_is_in_the_page_of_the_interface() -> None:
    text = (ROOT / "docs" / "ros_interface.md").read_text(encoding="utf-8")
    policy = ElementTree.parse(ROOT / "config" / "security" / "policy.xml")
    topics = {(element.text or "").strip().split("/")[-1] for element in policy.iter("topic")}
    ours = topics - {"parameter_events", "rosout", "transition_event", "clock"}
    assert ours and all(f"`{topic}`" in text or f"/{topic}`" in text for topic in ours), ours


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the site is built with the extra docs")
    pytest.importorskip("material", reason="the site is built with the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "parameters" / "index.html").is_file()


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "CITATION.cff"], ids=lambda p: p.name
)
def test_files_for_code_hosts_are_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize(
    "words",
    [
        "loading and compiling the networks",
        "ready after",
        "agrees with CPU in f32",
        "waiting for clouds on",
        "clouds look like those of",
        "intensity from",
    ],
)
def test_what_readme_shows_of_the_log_is_what_the_nodes_say(words: str) -> None:
    shown = [block.text for block in read_blocks(Path("README.md")) if block.language == "text"]
    assert any(words in text for text in shown)
    sources = (ROOT / "pointpillars_ov_ros").rglob("*.py")
    assert any(words in path.read_text(encoding="utf-8") for path in sources)
