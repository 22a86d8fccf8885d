# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags whose writer was killed, and bags that are broken."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.bags.reader import open_bag
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.config.errors import DatasetError

PATIENCE_S = 120.0
CLOUD_BYTES = 2**21
"""More than a chunk, so that every cloud is in one of its own."""


def contents(bag: Path) -> list[tuple[str, str, int, bytes]]:
    with open_bag(bag) as reader:
        return [(c.topic, c.msgtype, stamp, bytes(raw)) for c, stamp, raw in reader.messages()]


def test_a_killed_writer_leaves_a_bag_that_is_read_up_to_its_last_chunk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames, bag = tmp_path / "frames", tmp_path / "bag"
    frames.mkdir()
    for number in range(5):
        cloud = np.random.default_rng(number).uniform(0, 1, (CLOUD_BYTES // 16, 4)).astype(np.float32)
        cloud.tofile(frames / f"{number}.bin")
    # Nobody writes to it, so the tool waits there, in the middle of its bag, until it is killed.
    os.mkfifo(frames / "5.bin")
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "kitti_to_bag", "--data", str(frames)]
    process = subprocess.Popen([*command, "--out", str(bag)], stderr=subprocess.DEVNULL)
    file, deadline = tmp_path / "bag.partial" / "bag" / "bag.mcap", time.monotonic() + PATIENCE_S
    while not (file.is_file() and file.stat().st_size > 4 * CLOUD_BYTES):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not bag.exists()
    with caplog.at_level(logging.WARNING):
        left = contents(file.parent)
    assert "was never closed" in caplog.text
    (frames / "5.bin").unlink()
    assert cli.main(["kitti_to_bag", "--data", str(frames), "--out", str(bag)]) == 0
    whole = contents(bag)
    assert len(left) in (5, 6), "the transform, and the clouds before the last one at least"
    assert left == whole[: len(left)] and len(whole) == 6
    assert not file.exists(), "the next run clears what the killed one left"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag of 5 messages, one in each chunk."""
    folder = tmp_path_factory.mktemp("bags") / "bag"
    with BagWriter(folder) as bag:
        bag.add_topic("/points", "sensor_msgs/msg/PointCloud2", latched=False)
        for number in range(5):
            bag.write("/points", number, serialize_message(PointCloud2(data=bytes([number]) * CLOUD_BYTES)))
    return folder


@pytest.mark.parametrize("keep", [0.999999, 0.99, 0.7, 0.5, 0.21])
@pytest.mark.parametrize("with_metadata", [False, True])
def test_a_file_cut_anywhere_is_read_up_to_there(whole: Path, tmp_path: Path, keep: float, with_metadata: bool) -> None:
    data, every = (whole / "bag.mcap").read_bytes(), contents(whole)
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bag.mcap").write_bytes(data[: int(len(data) * keep)])
    if with_metadata:
        (bag / "metadata.yaml").write_bytes((whole / "metadata.yaml").read_bytes())
    assert contents(bag) == contents(bag / "bag.mcap") == every[: int(5 * keep + 0.01)]


def test_zeros_at_the_end_are_left_out(whole: Path, tmp_path: Path) -> None:
    """As a file system may leave them after a power failure."""
    data = (whole / "bag.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) // 2] + bytes(3 * CLOUD_BYTES))
    assert len(contents(tmp_path / "cut.mcap")) <= 3
    # The length of the chunk that was cut reaches into the zeros, so its messages are zeros, too, or not there.
    assert contents(tmp_path / "cut.mcap")[:2] == contents(whole)[:2]


def test_a_file_without_metadata_that_was_closed_is_read_whole(whole: Path) -> None:
    assert contents(whole / "bag.mcap") == contents(whole)


def test_whatever_is_broken_in_a_file_is_one_sentence(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", "sensor_msgs/msg/PointCloud2", latched=False)
        for number in range(3):
            bag.write("/points", number, serialize_message(PointCloud2(data=bytes(300))))
    file, chance = tmp_path / "bag" / "bag.mcap", random.Random(0)
    good, refused = file.read_bytes(), 0
    for _ in range(150):
        broken = bytearray(good)
        for _ in range(3):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        file.write_bytes(broken)
        try:
            contents(tmp_path / "bag")
        except DatasetError as error:
            assert str(error).startswith(str(tmp_path)) and "\n" not in str(error)
            refused += 1
    assert refused > 5
