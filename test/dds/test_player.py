# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player waits for the detector's reports, but never stops for a cloud that is not reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.nodes.kitti_player import node as kitti_player_node
from pointpillars_ov_ros.nodes.kitti_player.node import KittiPlayerNode
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.dds import PROFILE_VARIABLES
from pointpillars_ov_ros.ros.timing_message import FrameTiming, to_message
from test.dds.peers import peer
from test.dds.test_start import shared_memory

SEGMENT_BYTES = 32 * 1024 * 1024
"""What config/fastdds_clouds.xml asks for; Fast DDS's own is half a megabyte."""
pytestmark = pytest.mark.usefixtures("ros")

FRAMES, OUTSTANDING, TURNS = 6, 2, 4000


def play(folder: Path, reports_on: Callable[[int], bool]) -> tuple[list[int], bool]:
    """Play to a listener that reports on some clouds.

    Return how many it had reported on before each one, and whether all were played.
    """
    for number in range(FRAMES):
        np.full((5, 4), number, np.float32).tofile(folder / f"{number:06}.bin")
    values = {"data_dir": str(folder), "rate": 200.0, "max_outstanding": OUTSTANDING, "wait_for_subscribers": 1}
    player = KittiPlayerNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
    listener = Node("listener")
    timing = listener.create_publisher(DiagnosticArray, "timing", qos.TIMING)
    heard: list[int] = []
    reported = 0

    def listen(cloud: PointCloud2) -> None:
        nonlocal reported
        heard.append(reported)
        if reports_on(len(heard)):
            reported += 1
            timing.publish(to_message(FrameTiming(), cloud.header))

    listener.create_subscription(PointCloud2, "points", listen, qos.keep_last(100))
    executor = SingleThreadedExecutor()
    for node in (player, listener):
        executor.add_node(node)
    try:
        player.start()
        for _ in range(TURNS):
            executor.spin_once(timeout_sec=0.01)
            if player.is_finished() and len(heard) == FRAMES:
                break
    finally:
        for node in (player, listener):
            node.destroy_node()
    return heard, player.is_finished()


def test_it_holds_back_until_all_but_few_are_reported_on(tmp_path: Path) -> None:
    heard, finished = play(tmp_path, lambda number: True)
    assert finished and len(heard) == FRAMES
    assert all(number - reported <= OUTSTANDING for number, reported in enumerate(heard))


def test_clouds_that_are_dropped_do_not_stop_it(tmp_path: Path) -> None:
    """A live detector says nothing of the ones that it drops."""
    heard, finished = play(tmp_path, lambda number: number % 2 == 0)
    assert finished and len(heard) == FRAMES


def test_where_nobody_reports_it_goes_on_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kitti_player_node, "_PATIENCE_S", 0.1)
    heard, finished = play(tmp_path, lambda number: False)
    assert finished and len(heard) == FRAMES


def test_without_a_profile_in_the_environment_the_player_takes_the_shipped_one(tmp_path: Path) -> None:
    """As `ros2 run` starts it: with Fast DDS's defaults, half of its clouds would be lost."""
    for number in range(FRAMES):
        np.full((5, 4), number, np.float32).tofile(tmp_path / f"{number:06}.bin")
    bare = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
    with peer() as listener, NodeProcesses(tmp_path / "logs", bare) as processes:
        processes.start("kitti_player", {"data_dir": str(tmp_path), "wait_for_subscribers": 9})
        listener.wait_until(lambda: listener.count_publishers("points") == 2, "the player", processes)
        sizes = [path.stat().st_size for path in shared_memory(processes.pid("kitti_player"))]
    assert max(sizes) >= SEGMENT_BYTES
