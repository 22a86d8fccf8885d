# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a node: it waits for those who listen, for as long as they take to answer, and for nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import String

from pointpillars_ov_ros.ros import runner
from pointpillars_ov_ros.ros.qos import LATCHED, OUTPUT, TIMING

pytestmark = pytest.mark.usefixtures("ros")


@pytest.fixture
def node() -> Iterator[Node]:
    made = rclpy.create_node("ending")
    yield made
    made.destroy_node()


@pytest.fixture
def waits_ns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what is waited for in vain; whoever waits in a test may do so for an hour."""
    monkeypatch.setattr(runner, "_HAND_OVER_S", 3600.0)
    asked: list[int] = []
    wait = Publisher.wait_for_all_acked

    def wait_for_all_acked(publisher: Publisher, timeout: Duration) -> bool:
        if wait(publisher, Duration(seconds=0.0)):
            return True
        asked.append(timeout.nanoseconds)
        return bool(wait(publisher, timeout))

    monkeypatch.setattr(Publisher, "wait_for_all_acked", wait_for_all_acked)
    return asked


@pytest.mark.parametrize("profile", [OUTPUT, TIMING, LATCHED], ids=["output", "timing", "latched"])
def test_where_nobody_listens_nobody_is_waited_for(
    node: Node, waits_ns: list[int], profile: rclpy.qos.QoSProfile
) -> None:
    publisher = node.create_publisher(String, "answers", profile)
    for count in range(5):
        publisher.publish(String(data=str(count)))
    runner.hand_over(node)
    assert waits_ns == []


def test_a_listener_who_takes_no_guarantees_is_not_waited_for(node: Node, waits_ns: list[int]) -> None:
    publisher = node.create_publisher(String, "answers", OUTPUT)
    other = rclpy.create_node("listener")
    other.create_subscription(String, "answers", lambda message: None, rclpy.qos.qos_profile_sensor_data)
    while not publisher.get_subscription_count():
        pass
    publisher.publish(String(data="an answer"))
    runner.hand_over(node)
    other.destroy_node()
    assert waits_ns == []


def test_the_first_messages_of_a_node_are_acknowledged_long_before_its_end(node: Node, waits_ns: list[int]) -> None:
    """With the shipped profile; its history is full after a hundred, and only then Fast DDS asks by itself."""
    publisher = node.create_publisher(String, "answers", TIMING)
    other = rclpy.create_node("listener")
    other.create_subscription(String, "answers", lambda message: None, TIMING)
    while not publisher.get_subscription_count():
        pass
    publisher.publish(String(data="an answer"))
    ending = threading.Thread(target=runner.hand_over, args=(node,))
    ending.start()
    ending.join(60.0)
    assert not ending.is_alive(), "it waits for the hour"
    assert publisher.wait_for_all_acked(Duration(seconds=0.0))
    other.destroy_node()
