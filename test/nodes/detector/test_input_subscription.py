# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cloud subscription changes its quality of service, and every cloud is received once and in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.nodes.detector.input import CloudSubscription
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.settings import InputReliability

PATIENCE_S = 180.0
LIVE, REPLAY = (qos.cloud_input(policy, InputReliability.AUTO, 0) for policy in DropPolicy)
both_ways = pytest.mark.parametrize(("before", "after"), [(LIVE, REPLAY), (REPLAY, LIVE)], ids=["replay", "live"])


class Scene:
    """A driver, the node that hears it, and a witness of what the driver has sent; each is spun by itself."""

    def __init__(self) -> None:
        self.nodes = [Node(name) for name in ("driver", "detector", "witness")]
        driver, self.detector, witness = self.nodes
        self.executors = []
        for node in self.nodes:
            self.executors.append(SingleThreadedExecutor())
            self.executors[-1].add_node(node)
        self.driver = driver
        self.witnessed: list[int] = []
        self.heard: list[int] = []
        self.lost = 0
        witness.create_subscription(
            PointCloud2, "points", lambda m: self.witnessed.append(m.header.stamp.sec), qos.keep_last(1000)
        )

    def listen(self, profile: QoSProfile) -> CloudSubscription:
        self.input = CloudSubscription(
            self.detector, profile, lambda m: self.heard.append(m.header.stamp.sec), self.lose
        )
        return self.input

    def publish_from(self, profile: QoSProfile) -> None:
        self.publisher = self.driver.create_publisher(PointCloud2, "points", profile)

    def hear(self, message: PointCloud2) -> None:
        self.heard.append(message.header.stamp.sec)

    def lose(self, more: int) -> None:
        self.lost += more

    def send(self, number: int) -> None:
        cloud = PointCloud2()
        cloud.header.stamp.sec = number
        self.publisher.publish(cloud)

    def connect(self) -> None:
        """Wait until clouds arrive, and forget those."""
        deadline = time.monotonic() + PATIENCE_S
        while not (self.heard and self.witnessed):
            assert time.monotonic() < deadline
            self.send(0)
            for executor in self.executors:
                executor.spin_once(timeout_sec=0.02)
        self.send(-1)
        self.hear_until(lambda: self.heard[-1] == -1)
        self.witness_until(lambda: self.witnessed[-1] == -1)
        self.heard.clear()
        self.witnessed.clear()

    def hear_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.heard
            self.executors[1].spin_once(timeout_sec=0.02)

    def witness_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.witnessed
            self.executors[2].spin_once(timeout_sec=0.02)

    def subscriptions(self) -> int:
        return sum(subscription.msg_type is PointCloud2 for subscription in self.detector.subscriptions)


@pytest.fixture
def scene(ros: None) -> Iterator[Scene]:
    scene = Scene()
    yield scene
    for node in scene.nodes:
        node.destroy_node()


def test_no_cloud_is_missed_or_heard_twice_at_a_change(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(LIVE)
    scene.connect()
    for number in range(60):
        if number % 5 == 0:
            scene.input.change((REPLAY, LIVE)[number // 5 % 2])
        scene.send(number)
        scene.hear_until(lambda n=number: n in scene.heard)  # type: ignore[misc]
    assert scene.heard == list(range(60))
    assert scene.lost == 0


def test_two_changes_at_once_are_as_good_as_one(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(LIVE)
    scene.connect()
    for number in range(20):
        scene.input.change(REPLAY)
        scene.input.change(LIVE)
        scene.input.change(REPLAY if number % 2 else LIVE)
        scene.send(number)
        scene.hear_until(lambda n=number: n in scene.heard)  # type: ignore[misc]
    assert scene.heard == list(range(20))


def test_what_was_received_before_a_change_is_heard_first(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(REPLAY)
    scene.connect()
    for number in range(10):
        scene.send(number)
    scene.witness_until(lambda: len(scene.witnessed) == 10)
    scene.input.change(LIVE)
    for number in range(10, 20):
        scene.send(number)
    scene.witness_until(lambda: len(scene.witnessed) == 20)
    scene.hear_until(lambda: 19 in scene.heard)
    scene.send(20)
    scene.hear_until(lambda: 20 in scene.heard)
    assert scene.heard == list(range(21))


def test_what_a_newer_cloud_overwrites_is_lost_and_counted_once(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(LIVE)
    scene.connect()
    # With a change on the way: while there are two subscriptions, what one has lost the other may have.
    for change_at in (None, 15):
        scene.heard.clear()
        before = scene.lost
        for number in range(30):
            if number == change_at:
                scene.input.change(qos.keep_last(1))
            scene.send(number)
            if number % 3 == 2:
                scene.witness_until(lambda n=number: n in scene.witnessed)  # type: ignore[misc]
                scene.hear_until(lambda n=number: n in scene.heard)  # type: ignore[misc]
        assert len(scene.heard) + scene.lost - before == 30
        assert len(scene.heard) < 30
        scene.witnessed.clear()


@pytest.mark.parametrize("profile", [LIVE, REPLAY], ids=["live", "replay"])
def test_neither_late_joining_nor_another_publisher_is_a_loss(scene: Scene, profile: QoSProfile) -> None:
    scene.publish_from(qos.keep_last(100))
    for number in range(50):
        scene.send(number)
    scene.listen(profile)
    scene.connect()
    for _ in range(3):
        scene.driver.destroy_publisher(scene.publisher)
        scene.publish_from(qos.keep_last(100))
        scene.connect()
    assert scene.lost == 0
    scene.send(1)
    scene.send(2)
    scene.witness_until(lambda: 2 in scene.witnessed)
    scene.hear_until(lambda: 2 in scene.heard)
    assert len(scene.heard) + scene.lost == 2


def test_the_numbers_of_two_publishers_are_not_mixed_up(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(LIVE)
    scene.connect()
    first = scene.publisher
    scene.publish_from(qos.keep_last(100))
    scene.hear_until(lambda: scene.detector.count_publishers("points") == 2)
    scene.connect()
    for number in range(1, 20):
        (first if number % 2 else scene.publisher).publish(PointCloud2())
        scene.send(number)
        scene.hear_until(lambda n=number: n in scene.heard)  # type: ignore[misc]
    assert scene.lost == 0


@both_ways
def test_the_old_subscription_goes_when_the_new_one_hears(scene: Scene, before: QoSProfile, after: QoSProfile) -> None:
    scene.publish_from(qos.keep_last(100))
    scene.listen(before)
    scene.connect()
    scene.input.change(before)
    assert scene.subscriptions() == 1
    scene.input.change(after)
    assert scene.subscriptions() == 2
    number = 0
    while scene.subscriptions() == 2:
        assert number < 1000
        scene.send(number)
        scene.hear_until(lambda n=number: n in scene.heard)  # type: ignore[misc]
        number += 1
    (left,) = (s for s in scene.detector.subscriptions if s.msg_type is PointCloud2)
    assert left.qos_profile.depth == after.depth
    assert left.qos_profile.reliability == after.reliability
    scene.input.destroy()
    assert scene.subscriptions() == 0


def test_both_subscriptions_go_where_the_change_is_not_through(scene: Scene) -> None:
    scene.listen(LIVE).change(REPLAY)
    assert scene.subscriptions() == 2
    scene.input.destroy()
    assert scene.subscriptions() == 0


def test_a_change_that_would_silence_a_publisher_is_found_out_before(scene: Scene) -> None:
    scene.publish_from(qos.keep_last(10, reliable=False))
    scene.listen(LIVE)
    scene.hear_until(lambda: scene.detector.count_publishers("points") == 1)
    refusal = scene.input.refusal(REPLAY)
    assert refusal == (
        "driver offers /points best effort and cannot be received, since reliable is requested: "
        "set input_reliability to auto or best_effort"
    )
    assert scene.input.refusal(LIVE) == ""
    assert scene.input.refusal(qos.cloud_input(DropPolicy.REPLAY, InputReliability.BEST_EFFORT, 0)) == ""
