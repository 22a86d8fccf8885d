# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One fault: a text of a file, what it becomes, and the test that fails then."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = "pointpillars_ov_ros"


class Mutation(NamedTuple):
    """Replaces a text that is in its file exactly once."""

    name: str
    file: str
    """Below the package."""
    before: str
    after: str
    test: str
    """FILE::FUNCTION below `test/`."""

    @property
    def path(self) -> Path:
        """Path of the file in a checkout."""
        return Path(PACKAGE) / self.file

    def apply(self, root: Path) -> str:
        """Write the fault into the checkout `root`; return the text of the file before."""
        path = root / self.path
        text = path.read_text(encoding="utf-8")
        count = text.count(self.before)
        if count != 1:
            raise ValueError(f"{self.name}: {self.before!r} is {count} times in {self.path}, not once")
        path.write_text(text.replace(self.before, self.after), encoding="utf-8")
        return text
