# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation do what they say: they are run as they are typed, at small sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_tools.blocks import pages
from docs_tools.commands import copy_inputs, make_inputs, missing_modules, run, runnable

PAGES = [page for page in pages() if runnable(page)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_of_a_page_run(page: Path, inputs: Path, tmp_path: Path) -> None:
    copy_inputs(inputs, tmp_path)
    skipped = set()
    for block in runnable(page):
        if missing_modules(block):
            skipped |= set(missing_modules(block))
            continue
        done = run(block, tmp_path)
        assert done.returncode == 0, f"{block.place}\n{done.stdout}"
    if skipped:
        pytest.skip(f"without {', '.join(sorted(skipped))} some blocks of {page} are not run; the others passed")
