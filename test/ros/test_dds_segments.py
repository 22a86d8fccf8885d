# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments of the dead go, all others stay; for made-up files, and for those of a real node that is killed."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointpillars_ov_ros.ros import dds
from pointpillars_ov_ros.ros.dds import remove_dead_segments

NODE = "import rclpy, time; rclpy.init(); node = rclpy.create_node('victim'); print('up', flush=True); time.sleep(600)"


@pytest.fixture(params=["fastrtps", "fastdds"])
def segment(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a segment of 7 bytes with its lock, old enough, of Fast DDS 2 or 3."""
    path = tmp_path / f"{request.param}_0123456789abcdef"
    path.write_bytes(b"segment")
    (tmp_path / f"{path.name}_el").touch()
    monkeypatch.setattr(dds, "_MIN_AGE_S", -1.0)
    return path


def test_the_segment_of_a_dead_participant_goes_and_so_does_its_lock(segment: Path) -> None:
    assert remove_dead_segments(segment.parent) == 7
    assert list(segment.parent.iterdir()) == []


def test_a_locked_one_stays(segment: Path) -> None:
    with Path(f"{segment}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert remove_dead_segments(segment.parent) == 0
    assert segment.exists()


def test_one_that_was_just_made_stays(segment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds, "_MIN_AGE_S", 10.0)
    assert remove_dead_segments(segment.parent) == 0
    assert segment.exists()


@pytest.mark.parametrize("name", ["fastrtps_port7412", "fastrtps_0123456789abcdeg", "fastrtps_0123", "other"])
def test_what_is_no_segment_stays(tmp_path: Path, segment: Path, name: str) -> None:
    for some in (name, f"{name}_el"):
        (tmp_path / some).touch()
    remove_dead_segments(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}_el"}


def test_a_real_node_keeps_its_segment_until_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds, "_MIN_AGE_S", -1.0)
    with subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE) as node:
        assert node.stdout is not None and node.stdout.readline() == b"up\n"
        maps = Path(f"/proc/{node.pid}/maps").read_text()
        own = {Path(path) for path in re.findall(r"/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16}$", maps, re.MULTILINE)}
        own = {path for path in own if is_locked_by(path, node.pid)}
        assert own, "this node shares no memory: another middleware?"
        remove_dead_segments()
        assert all(path.exists() for path in own)
        node.send_signal(signal.SIGKILL)
        node.wait()
    deadline = time.monotonic() + 180.0
    while any(path.exists() for path in own):
        assert time.monotonic() < deadline
        remove_dead_segments()


def is_locked_by(segment: Path, pid: int) -> bool:
    inode = Path(f"{segment}_el").stat().st_ino
    return any(f" {pid} " in line and f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())
