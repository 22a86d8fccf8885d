# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags: what rclpy serialized is what rosbags reads, and the types are the same to both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TransformStamped
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from pointpillars_ov_ros.bags.message_types import typestore
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.ros.conversions import to_detection_array, to_label_info
from pointpillars_ov_ros.ros.markers import to_marker_array
from test.ros.clouds import VELODYNE, cloud_message

HEADER = Header(stamp=Time(sec=7, nanosec=9), frame_id="velodyne")
CLASSES = ("Car", "Pedestrian")
RECORDED = {
    "/points": PointCloud2,
    "/detections": Detection3DArray,
    "/markers": MarkerArray,
    "/label_info": LabelInfo,
    "/diagnostics": DiagnosticArray,
    "/tf_static": TFMessage,
}
LATCHED = {"/label_info", "/tf_static"}


def type_name(kind: type[Any]) -> str:
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def rihs01(name: str) -> str:
    """Return the hash that rosidl wrote beside the message when it was generated."""
    package, _, message = name.split("/")
    path = Path(get_package_share_directory(package)) / "msg" / f"{message}.json"
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(path.read_text())["type_hashes"]}
    return hashes[name]


def messages() -> dict[str, Any]:
    """Return one message for each topic."""
    box = np.array([(10.0, -2.0, -0.5, 4.0, 1.75, 1.5, 0.5), (5, 2, -0.5, 0.8, 0.6, 1.75, -1)], np.float32)
    detections = Detections(box, np.array([0.75, 0.5], np.float32), np.array([0, 1], np.int32))
    transform = TransformStamped(header=HEADER, child_frame_id="velodyne")
    transform.transform.translation.z = 1.75
    status = DiagnosticStatus(level=DiagnosticStatus.WARN, name="a", values=[KeyValue(key="rate (Hz)", value="10")])
    cloud = cloud_message(VELODYNE["XYZIRT"], [(1.5, -2.0, 0.5, 0.25), (3.0, 4.0, 5.0, 1.0)])
    cloud.header = HEADER
    return {
        "/points": cloud,
        "/detections": to_detection_array(detections, CLASSES, HEADER),
        "/markers": to_marker_array(detections, CLASSES, HEADER),
        "/label_info": to_label_info(CLASSES, 0.5),
        "/diagnostics": DiagnosticArray(header=HEADER, status=[status]),
        "/tf_static": TFMessage(transforms=[transform]),
    }


def write(folder: Path) -> dict[str, bytes]:
    """Write a bag with each message twice, and return what was written."""
    data = {topic: serialize_message(message) for topic, message in messages().items()}
    with BagWriter(folder) as bag:
        for topic, kind in RECORDED.items():
            bag.add_topic(topic, type_name(kind), latched=topic in LATCHED)
        for stamp_ns in (1_000, 2_000):
            for topic in RECORDED:
                bag.write(topic, stamp_ns, data[topic])
    return data


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Return a bag and the bytes in it."""
    folder = tmp_path_factory.mktemp("bags") / "bag"
    return folder, write(folder)


def plain(value: Any) -> Any:
    """Return a message of rclpy or of rosbags as dicts, lists and numbers."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if hasattr(value, "__dataclass_fields__"):
        names = [name for name in value.__dataclass_fields__ if not name.startswith("__") and not name.isupper()]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]
    if isinstance(value, (str, int, float, bool)):
        return value
    return [plain(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]


@pytest.mark.parametrize("topic", RECORDED)
def test_what_was_recorded_is_read_as_it_was_sent(topic: str, bag: tuple[Path, dict[str, bytes]]) -> None:
    folder, data = bag
    store = typestore()
    with Reader(folder) as reader:
        connections = [connection for connection in reader.connections if connection.topic == topic]
        got = list(reader.messages(connections))
    assert [(connection.msgtype, stamp) for connection, stamp, _ in got] == [
        (type_name(RECORDED[topic]), 1_000),
        (type_name(RECORDED[topic]), 2_000),
    ]
    for connection, _, raw in got:
        assert bytes(raw) == data[topic]
        assert plain(store.deserialize_cdr(raw, connection.msgtype)) == plain(
            deserialize_message(data[topic], RECORDED[topic])
        )


@pytest.mark.parametrize("topic", RECORDED)
def test_the_type_in_the_bag_is_the_one_of_this_ros(topic: str, bag: tuple[Path, dict[str, bytes]]) -> None:
    with Reader(bag[0]) as reader:
        (connection,) = [connection for connection in reader.connections if connection.topic == topic]
    assert connection.digest == rihs01(type_name(RECORDED[topic]))


@pytest.mark.parametrize(
    "name",
    sorted(
        {type_name(kind) for kind in RECORDED.values()}
        | {
            f"{package}/msg/{path.stem}"
            for package in ("vision_msgs", "tf2_msgs")
            for path in (Path(get_package_share_directory(package)) / "msg").glob("*.json")
        }
    ),
)
def test_the_definitions_have_the_hashes_of_rosidl(name: str) -> None:
    assert typestore().hash_rihs01(name) == rihs01(name)


def test_the_bag_is_one_mcap_file_and_its_metadata(bag: tuple[Path, dict[str, bytes]]) -> None:
    assert sorted(path.suffix for path in bag[0].iterdir()) == [".mcap", ".yaml"]


def test_latched_topics_are_offered_as_such(bag: tuple[Path, dict[str, bytes]]) -> None:
    with Reader(bag[0]) as reader:
        durability = {c.topic: c.ext.offered_qos_profiles[0].durability.name for c in reader.connections}
    assert {topic for topic, name in durability.items() if name == "TRANSIENT_LOCAL"} == LATCHED
    assert {name for topic, name in durability.items() if topic not in LATCHED} == {"VOLATILE"}


def test_what_was_recorded_before_an_error_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", type_name(PointCloud2), latched=False)
        bag.write("/points", 5, serialize_message(messages()["/points"]))
        raise RuntimeError
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 1


def test_a_bag_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "bag")
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", type_name(PointCloud2), latched=False)
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 0


def test_a_folder_that_is_no_bag_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "bag" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(PointPillarsError, match="not a bag"):
        BagWriter(thesis.parent)
    assert thesis.read_text() == "years of work"


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    path.write_text("a file")
    with pytest.raises(PointPillarsError, match="not a bag"):
        BagWriter(path)
    assert path.read_text() == "a file"
