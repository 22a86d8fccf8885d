# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds and real messages of TF, in every order: what waits, what goes on, what is refused, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.inference.pipeline.frames import StageTimes
from pointpillars_ov_ros.nodes.detector.placement import IncomingCloud, Place, TransformQueue
from pointpillars_ov_ros.ros import qos

PATIENCE_S = 180.0
FOREVER_MS = 60_000
NOTHING = "no transform from {!r} to 'odom' at {}.000 s:"


class Scene:
    """A broadcaster, and a detector's placement of clouds from `velodyne` in `odom`."""

    def __init__(self) -> None:
        self.broadcaster, self.detector = Node("broadcaster"), Node("detector")
        self.tf = self.broadcaster.create_publisher(TFMessage, "/tf", qos.keep_last(100))
        self.tf_static = self.broadcaster.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.detector)
        self.placed: list[tuple[int, float]] = []
        """Second of the stamp, and where along x."""
        self.places: list[Place] = []
        self.refused: list[tuple[int, str]] = []

    def note_place(self, second: int, place: Place) -> None:
        self.placed.append((second, float(place.T_target_cloud.translation[0])))
        self.places.append(place)

    def begin(self, timeout_ms: int, target: str = "odom", odom: str = "") -> TransformQueue:
        self.queue = TransformQueue(
            self.detector,
            target,
            odom,
            timeout_ms,
            lambda cloud, place: self.note_place(cloud.header.stamp.sec, place),
            lambda cloud, reason: self.refused.append((cloud.header.stamp.sec, reason)),
        )
        self.say("base_link", "velodyne", 0, 1.0, self.tf_static)
        self.say("odom", "base_link", 10, 10.0)
        self.spin_until(lambda: self.tf.get_subscription_count() > 0)
        return self.queue

    def say(self, parent: str, child: str, second: int, x: float, publisher: object = None) -> None:
        said = TransformStamped(child_frame_id=child)
        said.header.frame_id, said.header.stamp.sec = parent, second
        said.transform.translation.x = x
        (publisher or self.tf).publish(TFMessage(transforms=[said]))  # type: ignore[attr-defined]

    def drive_to(self, second: int) -> None:
        """Publish that the robot is at x = `second` then, until the detector has received it."""
        while not self.knows(second):
            self.say("odom", "base_link", second, float(second))
            self.executor.spin_once(timeout_sec=0.05)

    def knows(self, second: int) -> bool:
        found = self.queue._listener.buffer.find("odom", "velodyne", 0)
        return isinstance(found, Transform) and found.translation[0] >= second + 1.0

    def add(self, second: int, frame: str = "velodyne", only_newest: bool = False) -> int:
        cloud = PointCloud2()
        cloud.header.frame_id, cloud.header.stamp.sec = frame, second
        points = np.zeros((1, 4), np.float32)
        return self.queue.add(IncomingCloud(cloud.header, points, StageTimes()), only_newest)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.placed, self.refused)
            self.executor.spin_once(timeout_sec=0.02)


@pytest.fixture
def scene(ros: None) -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.queue.destroy()
    for node in (scene.broadcaster, scene.detector):
        node.destroy_node()


def test_a_cloud_whose_transform_is_known_goes_on_at_once(scene: Scene) -> None:
    scene.begin(FOREVER_MS)
    scene.drive_to(10)
    scene.drive_to(12)
    scene.spin_until(lambda: scene.add(11) == 0 and bool(scene.placed))
    assert scene.placed[0] == (11, pytest.approx(12.0))


def test_clouds_wait_in_their_order_until_the_transform_is_there(scene: Scene) -> None:
    scene.begin(FOREVER_MS)
    scene.drive_to(10)
    for second in (11, 12, 20):
        scene.add(second)
    assert scene.placed == []
    scene.drive_to(13)
    scene.spin_until(lambda: len(scene.placed) == 2)
    assert scene.placed == [(11, pytest.approx(12.0)), (12, pytest.approx(13.0))]
    scene.drive_to(20)
    scene.spin_until(lambda: len(scene.placed) == 3)
    assert scene.placed[2][0] == 20 and scene.refused == []


def test_a_cloud_behind_one_that_waits_waits_too(scene: Scene) -> None:
    scene.begin(FOREVER_MS)
    scene.drive_to(10)
    scene.drive_to(12)
    scene.add(20)
    scene.add(11)
    assert scene.placed == []
    scene.drive_to(20)
    scene.spin_until(lambda: len(scene.placed) == 2)
    assert [second for second, _ in scene.placed] == [20, 11]


def test_live_only_the_newest_waits(scene: Scene) -> None:
    scene.begin(FOREVER_MS)
    scene.drive_to(10)
    assert [scene.add(second, only_newest=True) for second in (11, 12, 13)] == [0, 1, 1]
    scene.drive_to(20)
    scene.spin_until(lambda: bool(scene.placed))
    assert scene.placed == [(13, pytest.approx(14.0))]


def test_a_cloud_whose_transform_does_not_come_is_refused_with_the_reason(scene: Scene) -> None:
    scene.begin(30)
    scene.drive_to(10)
    scene.add(11)
    scene.add(12, frame="ouster")
    scene.spin_until(lambda: len(scene.refused) == 2)
    newest = "of the poses of 'base_link' in 'odom', the newest is"
    assert scene.refused == [
        (11, f"{NOTHING.format('velodyne', 11)} {newest} 1.000 s older than the cloud"),
        (12, f"{NOTHING.format('ouster', 12)} frame 'ouster' is not published on /tf or /tf_static"),
    ]
    assert scene.placed == []


def test_a_transform_that_cannot_come_any_more_is_not_waited_for(scene: Scene) -> None:
    scene.begin(FOREVER_MS)
    scene.drive_to(10)
    scene.add(3)
    ((second, reason),) = scene.refused
    assert second == 3 and "the oldest kept is" in reason


def test_without_patience_a_cloud_is_refused_at_once(scene: Scene) -> None:
    scene.begin(0)
    scene.drive_to(10)
    scene.add(11)
    assert [second for second, _ in scene.refused] == [11]


def test_clouds_that_wait_at_the_end_are_refused_and_no_other_way_gone(scene: Scene) -> None:
    queue = scene.begin(FOREVER_MS)
    for second in (20, 21):
        scene.add(second)
    assert not scene.refused
    queue.destroy()
    assert [second for second, _ in scene.refused] == [20, 21] and not scene.placed
    assert all("deactivated while the cloud waited" in reason for _, reason in scene.refused)


def test_nothing_wakes_the_executor_where_nothing_waits(scene: Scene) -> None:
    placement = scene.begin(30)
    scene.drive_to(10)
    assert placement._timer.is_canceled()
    scene.add(11)
    assert not placement._timer.is_canceled()
    scene.spin_until(lambda: bool(scene.refused))
    assert placement._timer.is_canceled()


def test_for_sweeps_a_cloud_is_placed_in_odom_too_and_stays_in_its_own_frame(scene: Scene) -> None:
    scene.begin(FOREVER_MS, target="", odom="odom")
    scene.drive_to(10)
    scene.add(11)
    assert scene.placed == []
    scene.drive_to(12)
    scene.spin_until(lambda: bool(scene.places))
    (place,) = scene.places
    assert place.T_target_cloud.is_identity and place.trouble == ""
    assert place.T_odom_cloud is not None and place.T_odom_cloud.translation[0] == pytest.approx(12.0)


def test_without_odometry_a_cloud_goes_on_alone_after_its_time(scene: Scene) -> None:
    scene.begin(30, target="base_link", odom="map")
    scene.drive_to(10)
    scene.add(11)
    scene.spin_until(lambda: bool(scene.places))
    (place,) = scene.places
    assert place.T_odom_cloud is None and scene.refused == []
    assert place.trouble == (
        "no transform from 'velodyne' to 'map' at 11.000 s: frame 'map' is not published on /tf or /tf_static"
    )
    assert place.T_target_cloud.translation[0] == pytest.approx(1.0)
