# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Journals of the harness's processes, one JSON object per line, and their reading."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

Stamp = tuple[int, int]
"""Stamp of a header: seconds and nanoseconds."""


class Journal:
    """A file that is whole up to its last line whenever its writer is killed."""

    def __init__(self, path: Path) -> None:
        """Create the file."""
        self._file = path.open("w", buffering=1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, kind: str, **values: object) -> None:
        """Add a line."""
        self._file.write(json.dumps({"kind": kind, **values}) + "\n")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the lines so far, without one that is being written."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]
