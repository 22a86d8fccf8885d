# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def replace_folder(folder: Path, fresh: Path, aside: Path) -> None:
    """Put `fresh` in the place of `folder`; where that fails, what was there is there again.

    What was there is afterwards at `aside`, which does not exist before. All three are on one file system.
    """
    had_one = folder.exists()
    if had_one:
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if had_one:
            aside.rename(folder)
        raise
