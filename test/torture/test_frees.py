# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A few rounds of frees.py, and that it sees what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointpillars_ov_ros.inference.engine import Engine
from test.torture import frees


@pytest.mark.parametrize("way", frees.WAYS)
def test_engines_of_both_ways_are_freed(way: str, tmp_path: Path) -> None:
    outcome = frees.free_engines(way, "CPU", 4, tmp_path)
    assert outcome.passed, outcome


def test_a_network_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []

    class KeptEngine(Engine):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            kept.append(self.rpn)

    monkeypatch.setattr(frees, "Engine", KeptEngine)
    monkeypatch.setattr(frees, "PATIENCE_S", 0.5)
    outcome = frees.free_engines("cleanup", "CPU", 2, tmp_path)
    assert outcome.alive == 2
    assert not outcome.passed
