# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders that are written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def write_json(path: Path, report: Any) -> None:
    """Write a report, whole or not at all."""
    write_whole(path, lambda fresh: fresh.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file of another name beside `path`, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        fresh = Path(temporary) / path.name
        write(fresh)
        fresh.replace(path)
