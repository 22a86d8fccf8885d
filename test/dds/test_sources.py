# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who publishes clouds: what they offer is asked of them, and where nothing can arrive, log and diagnostics say why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import LaserScan, PointCloud2

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.nodes.diagnostics.health import DETECTOR
from pointpillars_ov_ros.ros import qos
from test.dds.peers import Peer, nodes, peer, set_parameter, stamp_of
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

BEST_EFFORT = qos.keep_last(100, reliable=False)
CLOUDS = 40


class Running(NamedTuple):
    """A detector of toy networks, and somebody who publishes nothing yet."""

    sender: Peer
    processes: NodeProcesses
    logs: Path

    @property
    def log(self) -> str:
        return (self.logs / f"{DETECTOR}.log").read_text()

    def await_log(self, sentence: str) -> None:
        self.sender.wait_until(lambda: sentence in self.log, f"{sentence!r} in the log", self.processes)

    def await_diagnostics(self, sentence: str) -> None:
        def is_said() -> bool:
            found = [status for message in self.sender.diagnostics[-1:] for status in message.status]
            return any(status.name == f"{DETECTOR}: clouds" and sentence in status.message for status in found)

        self.sender.wait_until(is_said, f"{sentence!r} in diagnostics", self.processes)

    def publish_clouds(self, topic: str, profile: Any) -> None:
        self.sender.clouds = self.sender.create_publisher(PointCloud2, topic, profile)


@contextmanager
def running(folder: Path, **parameters: object) -> Iterator[Running]:
    model = save_toy_bundle(folder / "model").folder
    with peer() as sender, nodes(folder / "logs") as processes:
        sender.destroy_publisher(sender.clouds)
        given = {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False, "parity_check": False}
        processes.start(DETECTOR, {**given, **parameters})
        processes.start("pointpillars_diagnostics", {"period": 0.2})
        scene = Running(sender, processes, folder / "logs")
        scene.await_log("waiting for clouds")
        yield scene


def reliabilities(sender: Peer) -> list[ReliabilityPolicy]:
    found = sender.get_subscriptions_info_by_topic("points")
    return [info.qos_profile.reliability for info in found if info.node_name == DETECTOR]


def test_a_replay_hears_every_cloud_of_a_best_effort_publisher(tmp_path: Path) -> None:
    with running(tmp_path, drop_policy="replay") as scene:
        sender = scene.sender
        scene.publish_clouds("points", BEST_EFFORT)
        before = sender.connect(toy_cloud(0), scene.processes)
        sent = []
        for number in range(CLOUDS):
            cloud = sender.make_cloud(toy_cloud(number % 20))
            sent.append(stamp_of(cloud))
            sender.clouds.publish(cloud)
            sender.wait_until(lambda: sent[-1] in sender.timing_of, "a cloud", scene.processes)
        last = sender.timing_of[sent[-1]]
        assert last.completed == before.completed + CLOUDS
        assert last.lost == last.dropped == 0
        assert scene.log.count(" offers clouds best effort, so they are requested like that") == 1
        # As soon as nobody offers less, nothing may be lost again.
        sender.destroy_publisher(sender.clouds)
        scene.publish_clouds("points", qos.keep_last(100))
        while reliabilities(sender) != [ReliabilityPolicy.RELIABLE]:
            sender.connect(toy_cloud(1), scene.processes)


def test_a_publisher_that_offers_too_little_is_said_with_the_way_out(tmp_path: Path) -> None:
    sentence = (
        "peer offers /points best effort and cannot be received, since reliable is requested: "
        "set input_reliability to auto or best_effort"
    )
    with running(tmp_path, drop_policy="replay", input_reliability="reliable") as scene:
        scene.publish_clouds("points", BEST_EFFORT)
        scene.await_log(sentence)
        scene.await_diagnostics(sentence)
        assert "incompatible QoS" not in scene.log
        assert set_parameter(scene.sender, "input_reliability", "auto") == (True, "")
        scene.sender.connect(toy_cloud(0), scene.processes)
        assert scene.log.count(sentence) == 1


def test_clouds_on_another_topic_are_said_in_log_and_diagnostics(tmp_path: Path) -> None:
    with running(tmp_path) as scene:
        scene.await_log("nobody publishes /points, nor PointCloud2 on any topic")
        scene.publish_clouds("/lidar/points", BEST_EFFORT)
        sentence = "nobody publishes /points; PointCloud2 is on /lidar/points"
        scene.await_log(sentence)
        scene.await_diagnostics(sentence)
        assert "points:=/lidar/points" in scene.log
        scans = scene.sender.create_publisher(LaserScan, "points", 1)
        scene.await_log("peer publishes /points as sensor_msgs/msg/LaserScan, but the detector needs")
        scene.sender.destroy_publisher(scans)
        scene.publish_clouds("points", BEST_EFFORT)
        scene.await_log("/points is published and received")
        assert scene.log.count(sentence) == 1


def test_a_time_that_stands_still_is_said_with_what_mends_it(tmp_path: Path) -> None:
    with running(tmp_path, use_sim_time=True) as scene:
        scene.await_log("use_sim_time is true, but nobody publishes /clock, so the time stands at 0")
        assert "play the bag with --clock, or set use_sim_time to false" in scene.log
