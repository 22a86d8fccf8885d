# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The list of faults fits the code: each text is there exactly once, and each test exists."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

import pytest

from test.mutations.mutation import ROOT
from test.mutations.table import MUTATIONS


def test_each_fault_has_its_place_and_its_test() -> None:
    offenders = []
    for mutation in MUTATIONS:
        count = (ROOT / mutation.path).read_text(encoding="utf-8").count(mutation.before)
        if count != 1:
            offenders.append(f"{mutation.name}: its text is {count} times in {mutation.path}")
        file, _, function = mutation.test.partition("::")
        path = ROOT / "test" / file
        if not path.exists() or f"def {function}(" not in path.read_text(encoding="utf-8"):
            offenders.append(f"{mutation.name}: there is no test {mutation.test}")
    assert not offenders, "\n".join(offenders)


def test_names_are_unique_and_there_are_as_many_as_were_promised() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names)) >= 27


def test_each_fault_is_still_python(tmp_path: Path) -> None:
    """What does not compile would be caught by every test, whatever it looks at."""
    for number, mutation in enumerate(MUTATIONS):
        root = tmp_path / str(number)
        (root / mutation.path).parent.mkdir(parents=True)
        shutil.copy(ROOT / mutation.path, root / mutation.path)
        mutation.apply(root)
        assert compileall.compile_file(root / mutation.path, quiet=1), mutation.name


def test_a_text_that_is_not_there_once_is_refused(tmp_path: Path) -> None:
    mutation = MUTATIONS[0]
    (tmp_path / mutation.path).parent.mkdir(parents=True)
    (tmp_path / mutation.path).write_text(f"{mutation.before}\n" * 2)
    with pytest.raises(ValueError, match="2 times"):
        mutation.apply(tmp_path)
