# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect_bag` on bags of ROS 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag1 import Writer
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.bags.reader import open_bag
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import DatasetError
from test.bags.bags import STEP_NS, contents, types
from test.bags.test_bag import rihs01
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

ODD = "my_msgs/msg/Odd"


def write_ros1(path: Path, compression: Any = None) -> Path:
    """Write three clouds, the last one cut off, with other messages; all serialized as ROS 1 does it."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg("std_msgs/Header header\nfloat64 x\n", ODD))
    store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", "tf2_msgs/msg/TFMessage"))
    kinds = store.types
    headers = kinds["std_msgs/msg/Header"]
    stamp = kinds["builtin_interfaces/msg/Time"](5, 6)
    header = headers(7, stamp, "velodyne")
    vector, turn = kinds["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0), kinds["geometry_msgs/msg/Quaternion"](0, 0, 0, 1)
    transform = kinds["geometry_msgs/msg/Transform"](vector, turn)
    stamped = kinds["geometry_msgs/msg/TransformStamped"](headers(1, stamp, "base_link"), "velodyne", transform)
    region = kinds["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    others = {
        "/tf": ("tf2_msgs/msg/TFMessage", [[stamped]]),
        "/camera_info": (
            "sensor_msgs/msg/CameraInfo",
            [header, 3, 4, "plumb_bob", np.zeros(5), np.arange(9.0), np.arange(9.0), np.arange(12.0), 0, 0, region],
        ),
        "/odd": (ODD, [header, 1.5]),
    }
    fields = [kinds["sensor_msgs/msg/PointField"](name, 4 * k, 7, 1) for k, name in enumerate(("x", "y", "z", "i"))]
    writer = Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer as bag:
        points = bag.add_connection("/points", "sensor_msgs/msg/PointCloud2", typestore=store)
        known = {topic: bag.add_connection(topic, kind, typestore=store) for topic, (kind, _) in others.items()}
        for number in range(3):
            array = toy_cloud(number)
            message = kinds["sensor_msgs/msg/PointCloud2"](
                header, 1, len(array), fields, False, 16, 16 * len(array), array.view(np.uint8).ravel(), True
            )
            raw = bytes(store.serialize_ros1(message, "sensor_msgs/msg/PointCloud2"))
            bag.write(points, number * STEP_NS, raw if number < 2 else raw[:50])
            for topic, (kind, values) in others.items():
                bag.write(known[topic], number * STEP_NS, bytes(store.serialize_ros1(kinds[kind](*values), kind)))
        bag.write(known["/tf"], 3 * STEP_NS, b"broken")
    return path


def test_a_bag_of_ros_1_becomes_one_of_ros_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, source = save_toy_bundle(tmp_path / "model"), write_ros1(tmp_path / "drive.bag")
    out = tmp_path / "out"
    arguments = ("detect_bag", source, "--out", out, "--model", bundle.folder, "--encoder", "openvino")
    assert cli.main([*map(str, arguments), "--intensity-field", "i"]) == 0
    printed = capsys.readouterr().out
    assert "3 clouds, 2 with detections" in printed and "1 x this is not a PointCloud2" in printed
    assert "skipped: 1 broken message on /tf" in printed
    topics = [message.topic for message in contents(out)]
    assert topics[:3] == ["/label_info", "/points", "/detections"]
    assert [topics.count(topic) for topic in ("/points", "/detections", "/tf", "/odd")] == [2, 2, 3, 3]
    for kind, _, digest, _ in types(out).values():
        if kind != ODD:
            assert digest == rihs01(kind)
    assert_messages_are_those_of_ros_1(out)


@pytest.mark.parametrize("compression", [None, Writer.CompressionFormat.BZ2, Writer.CompressionFormat.LZ4])
def test_chunks_of_any_compression_are_read(compression: Any, tmp_path: Path) -> None:
    path = write_ros1(tmp_path / "drive.bag", compression)
    with open_bag(path) as reader:
        stamps = [stamp for connection, stamp, _ in reader.messages() if connection.topic == "/points"]
    assert stamps == [0, STEP_NS, 2 * STEP_NS]


@pytest.mark.parametrize("compression", [Writer.CompressionFormat.BZ2, Writer.CompressionFormat.LZ4])
def test_a_chunk_that_grows_without_bounds_is_refused(
    compression: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ros1(tmp_path / "drive.bag", compression)
    monkeypatch.setattr("pointpillars_ov_ros.bags.inflate.inflate.__defaults__", (1000,))
    with open_bag(path) as reader, pytest.raises(DatasetError, match="larger than 0 MiB when decompressed"):
        list(reader.messages())


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.999])
def test_a_bag_without_its_index_names_the_next_step(keep: float, tmp_path: Path) -> None:
    path = write_ros1(tmp_path / "drive.bag")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DatasetError, match=r"has no complete index.*`rosbag reindex drive\.bag`"), open_bag(path):
        pass


def assert_messages_are_those_of_ros_1(bag: Path) -> None:
    with Reader(bag) as reader:
        first: dict[str, Any] = {}
        for connection, _, raw in reader.messages():
            first.setdefault(connection.topic, raw)
    cloud = deserialize_message(first["/points"], PointCloud2)
    np.testing.assert_array_equal(read_cloud(cloud, "i", 1.0).points, toy_cloud(0))
    assert (cloud.header.frame_id, cloud.header.stamp.sec, cloud.header.stamp.nanosec) == ("velodyne", 5, 6)
    assert deserialize_message(first["/detections"], Detection3DArray).header == cloud.header
    (transform,) = deserialize_message(first["/tf"], TFMessage).transforms
    assert (transform.child_frame_id, transform.transform.translation.y) == ("velodyne", 2.0)
    np.testing.assert_array_equal(deserialize_message(first["/camera_info"], CameraInfo).p, np.arange(12.0))
