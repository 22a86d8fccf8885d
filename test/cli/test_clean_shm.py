# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov clean_shm` frees what dead participants left, says how much, and leaves the rest alone."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.ros import dds


def test_it_frees_the_segments_of_the_dead_and_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dds, "SEGMENTS", tmp_path)
    monkeypatch.setattr(dds, "_MIN_AGE_S", -1.0)
    dead, alive = tmp_path / "fastrtps_0123456789abcdef", tmp_path / "fastrtps_fedcba9876543210"
    for segment in (dead, alive):
        segment.write_bytes(bytes(3_000_000))
        Path(f"{segment}_el").touch()
    with Path(f"{alive}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["clean_shm"]) == 0
    assert capsys.readouterr().out == f"freed 3 MB of {tmp_path}\n"
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, f"{alive.name}_el"}
