# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overload, played short: every cloud is accounted for; ages and memory are judged by `make torture` only."""

from __future__ import annotations

from pathlib import Path

from test.torture.clouds import simulated_clouds
from test.torture.overload import play


def test_every_cloud_is_accounted_for_when_far_too_many_come_and_diagnostics_say_so(tmp_path: Path) -> None:
    run = play(tmp_path / "run", simulated_clouds(tmp_path, 1), [(300.0, 3.0), (1.0, 4.0)], parity_check=False)
    assert run.account.missing()
