# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov doctor --topic` beside real publishers: what keeps clouds away is named, with its cure."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.dds import PROFILE_VARIABLES, readable_variables
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.cli.doctor.page import doctor, drive_points, moved, odd
from test.dds.peers import PATIENCE_S

pytestmark = pytest.mark.usefixtures("ros")

Document = dict[str, Any]
OF_A_SLOW_MACHINE = {"cloud.rate", "ros.stamps", "ros.loss"}
"""What depends on how busy the machine is that the test runs on."""
HEARD = ("--no-model", "--seconds", PATIENCE_S)
"""It ends as soon as enough clouds came."""
SILENT = ("--no-model", "--seconds", 8)
UDP_WITHOUT_ROOM = """<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>udp</transport_id><type>UDPv4</type>
      <maxMessageSize>8192</maxMessageSize><receiveBufferSize>8192</receiveBufferSize>
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="lossy" is_default_profile="true">
    <rtps>
      <userTransports><transport_id>udp</transport_id></userTransports>
      <useBuiltinTransports>false</useBuiltinTransports>
      <listenSocketBufferSize>8192</listenSocketBufferSize>
    </rtps>
  </participant>
</profiles>
"""


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return drive_points()


@pytest.fixture
def driver(ros: None) -> Iterator[Node]:
    """A node of a driver."""
    node = Node("lidar_driver")
    yield node
    node.destroy_node()


@contextmanager
def sending(
    driver: Node, points: np.ndarray, topic: str = "points", frame: str = "lidar", *, reliable: bool = False,
    stamp: Callable[[Header], None] | None = None,
) -> Iterator[None]:  # fmt: skip
    """Publish a cloud ten times a second, meanwhile."""
    publisher = driver.create_publisher(PointCloud2, topic, qos.keep_last(1, reliable=reliable))
    message = create_cloud(Header(frame_id=frame), copy.deepcopy(FIELDS), points)
    end = threading.Event()

    def send() -> None:
        while not end.wait(0.1):
            message.header.stamp = driver.get_clock().now().to_msg()
            if stamp is not None:
                stamp(message.header)
            publisher.publish(message)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def say_place(driver: Node, parent: str, child: str, z: float) -> None:
    """Publish the place of the sensor on /tf_static, also for late subscribers."""
    said = TransformStamped(child_frame_id=child)
    said.header.frame_id = parent
    said.transform.translation.z, said.transform.rotation.w = z, 1.0
    driver.create_publisher(TFMessage, "/tf_static", qos.LATCHED).publish(TFMessage(transforms=[said]))


def texts(document: Document) -> dict[str, str]:
    return {one["name"]: one["text"] for one in document["findings"]}


def test_on_a_healthy_topic_there_is_nothing_but_ok(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    say_place(driver, "base_link", "lidar", 0.0)
    with sending(driver, points[::2].copy(), reliable=True):
        _, document = doctor(tmp_path, "--topic", "points", "--target-frame", "base_link", *HEARD)
    assert set(odd(document)) <= OF_A_SLOW_MACHINE, odd(document)
    said = texts(document)
    assert said["ros.topic"].startswith("/points: lidar_driver, ")
    assert said["ros.qos"].startswith("offered reliable; ")
    assert said["ros.tf"] == "TF transforms clouds from 'lidar' to 'base_link' at their stamps"
    assert said["ros.frame"] == "frame_id 'lidar'"
    assert said["cloud.beams"].startswith("64 beams")
    assert {"ros.dds", "ros.shm", "ros.stamps", "cloud.layout", "cloud.height"} <= set(said)


def test_a_best_effort_publisher_and_a_detector_that_asks_for_reliable(
    driver: Node, points: np.ndarray, tmp_path: Path
) -> None:
    listener = Node("pointpillars_detector")
    listener.create_subscription(PointCloud2, "points", lambda message: None, qos.keep_last(1))
    try:
        with sending(driver, points[::20].copy()):
            code, document = doctor(tmp_path, "--topic", "/points", *HEARD)
    finally:
        listener.destroy_node()
    assert code == 1
    finding = odd(document)["ros.qos"]
    assert finding["level"] == "FAULT"
    assert finding["text"] == (
        "pointpillars_detector cannot receive from lidar_driver on /points: best effort is offered, but reliable is "
        "requested"
    )
    assert finding["cures"][0] == "ros2 param set /pointpillars_detector input_reliability auto"


def test_a_detector_that_is_about_to_ask_for_reliable(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    with sending(driver, points[::20].copy()):
        _, document = doctor(tmp_path, "--topic", "/points", "--input-reliability", "reliable", *HEARD)
    assert "reliable is requested" in odd(document)["ros.qos"]["text"]


def test_of_a_wrong_topic_the_right_one_is_typed(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    with sending(driver, points[::20].copy(), "/lidar/points"):
        code, document = doctor(tmp_path, "--topic", "/points", *SILENT)
    assert code == 1
    finding = odd(document)["ros.topic"]
    assert finding["text"] == "nobody publishes /points; PointCloud2 is on /lidar/points (1 publisher)"
    assert finding["cures"] == [
        "pointpillars_ov doctor --topic /lidar/points",
        "ros2 launch pointpillars_ov_ros detector.launch.py points:=/lidar/points",
    ]


def test_a_topic_without_a_publisher_and_one_without_a_message(driver: Node, tmp_path: Path) -> None:
    _, document = doctor(tmp_path, "--topic", "/nothing", "--no-model", "--seconds", 2)
    assert "nobody publishes /nothing, nor PointCloud2 on any topic" in odd(document)["ros.topic"]["text"]
    assert odd(document)["ros.topic"]["cures"][0] == "start the driver"
    driver.create_publisher(PointCloud2, "/points", qos.keep_last(1))
    _, document = doctor(tmp_path, "--topic", "/points", *SILENT)
    finding = odd(document)["ros.topic"]
    assert finding["text"] == "lidar_driver publishes /points, but no cloud arrived within 8 s"
    assert "ros2 topic hz /points" in finding["cures"][0]
    assert "fastdds_clouds" in finding["cures"][1]


def test_a_topic_of_another_type(driver: Node, tmp_path: Path) -> None:
    driver.create_publisher(String, "/points", qos.keep_last(1))
    _, document = doctor(tmp_path, "--topic", "/points", *SILENT)
    assert "by lidar_driver as std_msgs/msg/String, but the detector needs" in odd(document)["ros.topic"]["text"]


def test_without_tf_and_with_a_frame_that_is_not_there(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    with sending(driver, points[::20].copy()):
        arguments = ("--topic", "/points", "--target-frame", "base_link", *SILENT)
        code, document = doctor(tmp_path, *arguments)
        finding = odd(document)["ros.tf"]
        assert (code, finding["level"]) == (1, "FAULT")
        assert finding["text"].endswith("nothing is published on /tf or /tf_static")
        assert finding["cures"][0].startswith(
            "ros2 run tf2_ros static_transform_publisher --z 1.73 --frame-id base_link --child-frame-id lidar"
        )
        say_place(driver, "base_footprint", "lidar", 1.73)
        _, document = doctor(tmp_path, *arguments)
    finding = odd(document)["ros.tf"]
    assert finding["text"].endswith("TF knows base_footprint, lidar")
    assert finding["cures"][0].startswith("target_frame:=base_footprint")
    # Where the clouds are not known, nothing is said of their height.
    assert "cloud.height" not in texts(document)


def test_the_height_of_the_target_frame_is_what_counts(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    """Clouds are taken to a frame on the ground, which the network does not expect there."""
    say_place(driver, "base_link", "lidar", 1.72)
    with sending(driver, points[::2].copy()):
        _, document = doctor(tmp_path, "--topic", "/points", "--target-frame", "base_link", *HEARD)
    finding = odd(document)["cloud.height"]
    assert finding["text"].startswith("base_link is ")
    assert '-p target_frame:=base_link -p sensor_pose:="[0.0, 0.0, -1.' in finding["cures"][0]


def test_a_sensor_one_metre_too_low_has_its_pose_typed(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    with sending(driver, moved(points[::2], 0, 0, 1, 0, 0, 0)):
        _, document = doctor(tmp_path, "--topic", "/points", *HEARD)
    finding = odd(document)["cloud.height"]
    assert finding["level"] == "FAULT"
    assert finding["cures"][0].startswith(
        "ros2 run pointpillars_ov_ros pointpillars_detector --ros-args -r points:=/points -p "
        'sensor_pose:="[0.0, 0.0, -0.9'
    )


def test_an_empty_frame_and_no_stamp(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    def unstamped(header: Header) -> None:
        header.stamp.sec = header.stamp.nanosec = 0

    with sending(driver, points[::20].copy(), frame="", stamp=unstamped):
        _, document = doctor(tmp_path, "--topic", "/points", *HEARD)
    found = odd(document)
    assert "empty frame_id" in found["ros.frame"]["text"]
    assert found["ros.frame"]["cures"][0].startswith("--ros-args -p frame_id:=lidar")
    assert found["ros.stamps"]["text"].startswith("the stamps are 0")


def test_stamps_of_another_clock(driver: Node, points: np.ndarray, tmp_path: Path) -> None:
    def ahead(header: Header) -> None:
        header.stamp.sec += 7 * 3600

    with sending(driver, points[::20].copy(), stamp=ahead):
        _, document = doctor(tmp_path, "--topic", "/points", *HEARD)
    assert odd(document)["ros.stamps"]["text"].startswith("the stamps are 7.00 hours in the future")


def test_sockets_without_room_for_a_cloud_are_named_with_the_profile_to_take(
    driver: Node, points: np.ndarray, tmp_path: Path
) -> None:
    """A listener whose profile has UDP only, and a receive buffer that holds no cloud."""
    profile = tmp_path / "lossy.xml"
    profile.write_text(UDP_WITHOUT_ROOM)
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "doctor", "--topic", "/points", "--no-model"]
    environment = {**os.environ, **dict.fromkeys(PROFILE_VARIABLES, str(profile))}
    with sending(driver, points):
        done = subprocess.run(
            [*command, "--seconds", "8", "--json", str(report)],
            env=environment, capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "dds: the Fast DDS profile in use has receive buffers of 8,192 bytes, less than a cloud of " in " ".join(
        done.stdout.split()
    )
    assert f"-> export {readable_variables(os.environ)[0]}=" in done.stdout


def test_without_a_topic_those_that_there_are_are_listed(
    driver: Node, points: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    code, document = doctor(tmp_path, "--no-model")
    assert code == 0, odd(document)
    assert texts(document)["ros.topic"].startswith("no topic of PointCloud2 at the moment, in domain ")


def test_ctrl_c_ends_it_without_a_word(driver: Node) -> None:
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "doctor", "--topic", "/nothing", "--no-model"]
    with subprocess.Popen([*command, "--seconds", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        end = time.monotonic() + PATIENCE_S
        while "pointpillars_doctor" not in driver.get_node_names():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(PATIENCE_S) == 130
    assert said == b""


def test_a_name_that_ros_refuses_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    from pointpillars_ov_ros.cli import main as cli

    assert cli.main(["doctor", "--topic", "/no topic", "--no-model", "--seconds", "1"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: --topic '/no topic': ") and text.count("\n") == 1
