# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the fenced blocks of the documentation, and the marks above them that say which are run.

A mark is an HTML comment in the line above a block: `run: NAME`, `run: NAME (needs torch)`, or `run: no (REASON)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNNABLE = ("sh", "python")
"""Languages of blocks that need a mark."""
_MARK = re.compile(r"<!-- run: (?P<name>\w+)(?: \((?P<note>.+)\))? -->")
_NEEDS = "needs "


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    """Below the repository."""
    line: int
    """Of its opening fence, from 1."""
    language: str
    text: str
    name: str
    """Of its mark: empty where it has none, `no` where it is not run."""
    note: str

    @property
    def is_run(self) -> bool:
        """Whether the block is run."""
        return bool(self.name) and self.name != "no"

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that it is only run with, since they come with an extra."""
        if not (self.is_run and self.note.startswith(_NEEDS)):
            return ()
        return tuple(name.strip() for name in self.note.removeprefix(_NEEDS).split(","))

    @property
    def place(self) -> str:
        """Page and line, to be clicked on."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages of the documentation, below the repository."""
    fixed = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "models" / "README.md"]
    return [path.relative_to(ROOT) for path in [*fixed, *sorted((ROOT / "docs").glob("*.md"))]]


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order; ValueError where the last one does not end."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    blocks: list[Block] = []
    start = None
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = number
            continue
        mark = _MARK.fullmatch(lines[start - 2].strip()) if start > 1 else None
        blocks.append(
            Block(
                page,
                start,
                lines[start - 1].strip().removeprefix("```").strip(),
                "\n".join(lines[start : number - 1]) + "\n",
                mark["name"] if mark else "",
                (mark["note"] or "") if mark else "",
            )
        )
        start = None
    if start is not None:
        raise ValueError(f"{page}:{start}: the block does not end")
    return blocks
