# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector as a process, and sensors at other places than the network expects: boxes, frames, warnings, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.duration import Duration
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.builders import tiny_config
from test.dds.peers import Peer, call, change_state, nodes, peer, stamp_of
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

# Right angles and powers of two, so that points are moved without rounding and fall into the same pillars.
T_MODEL_BASE = (0.5, 0.0, -0.5, 0.0, 0.0, 0.0)
T_BASE_VELODYNE = Transform.from_pose(2.0, 1.0, 0.25, 0.0, 0.0, np.pi / 2)


class Road(NamedTuple):
    """A detector that has answered."""

    sender: Peer
    processes: NodeProcesses
    log: Path

    def detect(self, points: np.ndarray, frame: str = "velodyne") -> Detection3DArray:
        """Return the answer to a cloud."""
        cloud = self.sender.make_cloud(points)
        cloud.header.frame_id = frame
        return self.answer(cloud)

    def answer(self, cloud: PointCloud2) -> Detection3DArray:
        stamp, sender = stamp_of(cloud), self.sender
        sender.clouds.publish(cloud)
        sender.wait_until(lambda: stamp in sender.timing_of, "an answer", self.processes)
        if sender.timing_of[stamp].error:
            return Detection3DArray()
        # On another topic, so that it may come later.
        sender.wait_until(lambda: bool(self.detections_of(stamp)), "the detections", self.processes)
        return self.detections_of(stamp)[0]

    def detections_of(self, stamp: tuple[int, int]) -> list[Detection3DArray]:
        return [array for array in self.sender.detections if stamp_of(array) == stamp]

    def status(self) -> DiagnosticStatus | None:
        """Return the last status of the clouds in diagnostics."""
        statuses = [status for message in self.sender.diagnostics[-1:] for status in message.status]
        return next((s for s in statuses if s.name == "pointpillars_detector: clouds"), None)


def boxes_of(array: Detection3DArray) -> Detections:
    return from_detection_array(array, tiny_config().classes)


def moved(points: np.ndarray, transform: Transform) -> np.ndarray:
    points = points.copy()
    transform.move(points)
    return points


def start(sender: Peer, processes: NodeProcesses, folder: Path, **parameters: object) -> Road:
    model = str(save_toy_bundle(folder).folder)
    processes.start("pointpillars_detector", {"model_dir": model, "drop_policy": "replay", **parameters})
    road = Road(sender, processes, folder / "logs" / "pointpillars_detector.log")
    sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
    return road


def say(sender: Peer, parent: str, T_parent_velodyne: Transform) -> None:
    """Publish the sensor's pose on /tf_static."""
    said = TransformStamped(child_frame_id="velodyne")
    said.header.frame_id = parent
    t, q = said.transform.translation, said.transform.rotation
    t.x, t.y, t.z = T_parent_velodyne.translation.tolist()
    q.x, q.y, q.z, q.w = T_parent_velodyne.quaternion
    broadcaster = sender.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
    broadcaster.publish(TFMessage(transforms=[said]))


def level_ground(below: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 25, 5000), rng.uniform(-10, 10, 5000)
    return np.column_stack([x, y, np.full(5000, -below), np.full(5000, 0.5)]).astype(np.float32)


def test_boxes_come_back_from_the_networks_frame_in_the_frame_that_was_asked_for(tmp_path: Path) -> None:
    """The same points, taken by a sensor on a robot: the same boxes, in the frame of its base."""
    points = toy_cloud(3)
    with peer() as sender, nodes(tmp_path / "plain" / "logs") as processes:
        expected = boxes_of(start(sender, processes, tmp_path / "plain").detect(points))
    assert len(expected) > 0
    T_model_base = Transform.from_pose(*T_MODEL_BASE)
    seen = moved(points, T_model_base.after(T_BASE_VELODYNE).inverse)
    with peer() as sender, nodes(tmp_path / "robot" / "logs") as processes:
        say(sender, "base_link", T_BASE_VELODYNE)
        pose = {"sensor_pose": list(T_MODEL_BASE), "target_frame": "base_link", "tf_timeout_ms": 3000}
        road = start(sender, processes, tmp_path / "robot", **pose)
        array = road.detect(seen)
        refused = road.sender.make_cloud(seen)
        refused.header.frame_id = "camera"
        road.answer(refused)
        timing = sender.timing_of[stamp_of(refused)]
    assert {array.header.frame_id} | {d.header.frame_id for d in array.detections} == {"base_link"}
    found = boxes_of(array)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.boxes[:, :3], expected.boxes[:, :3] - T_MODEL_BASE[:3], atol=1e-3)
    np.testing.assert_allclose(found.boxes[:, 3:], expected.boxes[:, 3:], atol=1e-3)
    assert timing.error.startswith("cloud refused: no transform from 'camera' to 'base_link' at ")
    assert timing.error.endswith("frame 'camera' is not published on /tf or /tf_static")
    assert (timing.refused, timing.received) == (1, 2)


def test_what_is_odd_about_a_sensor_is_said_in_the_log_and_in_diagnostics(tmp_path: Path) -> None:
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        processes.start("pointpillars_diagnostics", {"period": 0.2, "stale_after": 60.0})
        road = start(sender, processes, tmp_path)
        for number in range(5):
            assert road.detect(level_ground(0.9)).header.frame_id == "velodyne", number
        sentence = sender.timings[-1].sensor
        # Again and again, since diagnostics may begin to hear only now.
        while sentence not in getattr(road.status(), "message", ""):
            road.detect(level_ground(0.9))
        status = road.status()
        road.detect(toy_cloud(1), frame="ouster")
        other = sender.make_cloud(toy_cloud(1))
        other.fields[3].name = "strength"
        road.answer(other)
        log = road.log.read_text()
    ground = (
        "the ground is 0.90 m below the sensor, but the network expects it 1.73 m below: "
        "set sensor_pose to [0.0, 0.0, -0.83, 0.0, 0.0, 0.0]"
    )
    # After what is said of the range, of which level ground has little in the few metres of the toy.
    assert sentence.endswith(ground) and "points are in the network's range" in sentence
    assert status is not None and status.level == DiagnosticStatus.WARN
    for text, level in (
        ("clouds look like those of no driver in particular (x y z intensity): intensity from 'intensity' x 1", "INFO"),
        (ground, "WARN"),
        ("the frame of the clouds changed from 'velodyne' to 'ouster', and with it that of the detections", "WARN"),
        ("the layout changed: clouds look like those of no known driver (x y z strength)", "WARN"),
        ("there is no field 'intensity' (fields: x, y, z, strength): intensity is ", "WARN"),
    ):
        (line,) = (line for line in log.splitlines() if text in line)
        assert level in line


def test_of_a_robot_that_stands_three_sweeps_are_three_times_the_points(tmp_path: Path) -> None:
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        say(sender, "odom", T_BASE_VELODYNE)
        # Clouds of a peer are a second apart.
        road = start(sender, processes, tmp_path, sweeps=3, sweep_age=10.0, tf_timeout_ms=3000)
        for _ in range(4):
            assert road.detect(toy_cloud(3)).header.frame_id == "velodyne"
        lost = sender.make_cloud(toy_cloud(3))
        lost.header.frame_id = "ouster"
        assert road.answer(lost).header.frame_id == "ouster"
        assert [timing.points for timing in sender.timings] == [60, 120, 180, 180, 60]
        assert (
            "a cloud is not accumulated with others: no transform from 'ouster' to 'odom' at " in road.log.read_text()
        )


def test_clouds_that_wait_for_tf_are_accounted_for_when_the_detector_is_deactivated(tmp_path: Path) -> None:
    model = save_toy_bundle(tmp_path / "toy").folder
    parameters = {"target_frame": "odom", "tf_timeout_ms": 60_000, "drop_policy": "replay"}
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        processes.start("pointpillars_detector", {"model_dir": str(model), **parameters})
        sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
        clouds = [sender.make_cloud(toy_cloud(number)) for number in range(3)]
        for cloud in clouds:
            sender.clouds.publish(cloud)
        assert sender.clouds.wait_for_all_acked(Duration(seconds=60))
        # Answered by the thread that takes the clouds, so those that had come before have been taken.
        assert call(sender, GetState, "get_state", GetState.Request()).current_state.id == State.PRIMARY_STATE_ACTIVE
        assert change_state(sender, Transition.TRANSITION_DEACTIVATE)
        stamps = [stamp_of(cloud) for cloud in clouds]
        sender.wait_until(lambda: set(stamps) <= set(sender.timing_of), "a word about each cloud", processes)
        for stamp in stamps:
            assert "deactivated while the cloud waited" in sender.timing_of[stamp].error
        last = sender.timing_of[stamps[-1]]
        assert (last.received, last.refused, last.completed, last.dropped) == (3, 3, 0, 0)
    assert not sender.detections
