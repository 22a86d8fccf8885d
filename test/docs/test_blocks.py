# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every block of commands in the documentation is run, or says why it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs_tools.blocks import ROOT, RUNNABLE, pages, read_blocks
from docs_tools.commands import SUBSTITUTIONS
from pointpillars_ov_ros.cli.main import COMMANDS

PAGES = pages()
# Where a command is typed: at the begin of a line, after `&&`, in a program's way, or in code within a sentence.
COMMAND = re.compile(r"(?:^|[`&] ?|bin/|pointpillars_ov_ros )pointpillars_ov (\w+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_names_its_language_and_is_run_or_says_why_not(page: Path) -> None:
    for block in read_blocks(page):
        assert block.language, f"{block.place}: ```text, ```yaml, ```sh or ```python"
        if block.language in RUNNABLE:
            assert block.name, f"{block.place}: a mark is missing, see docs_tools/blocks.py"
            assert block.name != "no" or block.note, f"{block.place}: why is it not run?"


def test_names_of_blocks_are_unique() -> None:
    names = [block.name for page in PAGES for block in read_blocks(page) if block.is_run]
    assert len(names) == len(set(names))


def test_every_substitution_is_needed() -> None:
    texts = [block.text for page in PAGES for block in read_blocks(page) if block.is_run]
    for substitution in SUBSTITUTIONS:
        assert any(re.search(substitution.pattern, text) for text in texts), substitution


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_that_are_named_exist(page: Path) -> None:
    named = set(COMMAND.findall((ROOT / page).read_text(encoding="utf-8")))
    assert named <= set(COMMANDS), sorted(named - set(COMMANDS))


def test_every_command_is_in_the_documentation() -> None:
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    assert set(COMMANDS) <= set(COMMAND.findall(text)), sorted(set(COMMANDS) - set(COMMAND.findall(text)))
