# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The MCAP that `detect_bag` writes has what Foxglove's 3D panel takes: schemas, encodings, frames, markers.

What the panel takes is listed on docs.foxglove.dev (Visualization, Panels, 3D). It reads MCAP by its own records, so
this test does, too, and not by a library of ROS.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from pointpillars_ov_ros.bags.from_kitti import write_kitti_bag
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.kitti.frames import find_frames
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.launch.stand_ins import REPOSITORY

DRAWN = {"/points": "sensor_msgs/msg/PointCloud2", "/markers": "visualization_msgs/msg/MarkerArray"}
"""Topics that the panel draws, by the schemas that it knows."""
LAYOUT = json.loads((REPOSITORY / "config" / "foxglove_layout.json").read_text())["configById"]["3D!clouds"]
KNOWN_MARKERS = {Marker.LINE_LIST, Marker.TEXT_VIEW_FACING}
KNOWN_COLOR_MODES = {"flat", "gradient", "colormap", "rgb", "rgba", "rgba-fields"}
CLOUDS = 3


class Recording:
    """What is in an MCAP, by topic."""

    def __init__(self, path: Path) -> None:
        self.messages: dict[str, list[bytes]] = defaultdict(list)
        self.times: dict[str, list[int]] = defaultdict(list)
        self.kinds: dict[str, tuple[str, str, str]] = {}
        """Name and encoding of the schema, encoding of the messages."""
        self.definitions: dict[str, str] = {}
        with path.open("rb") as file:
            reader = make_reader(file)
            self.profile = reader.get_header().profile
            for schema, channel, message in reader.iter_messages():
                assert schema is not None
                self.kinds[channel.topic] = (schema.name, schema.encoding, channel.message_encoding)
                self.definitions[channel.topic] = schema.data.decode()
                self.messages[channel.topic].append(message.data)
                self.times[channel.topic].append(message.log_time)

    def parse(self, topic: str, kind: type) -> list[Any]:
        return [deserialize_message(data, kind) for data in self.messages[topic]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Record frames as KITTI's, and detect in that bag."""
    folder = tmp_path_factory.mktemp("foxglove")
    frames = folder / "frames"
    frames.mkdir()
    for number in range(CLOUDS):
        toy_cloud(number).tofile(frames / f"{number:06}.bin")
    write_kitti_bag(find_frames(frames), folder / "bag", "mcap", 10.0, crop=False)
    model = save_toy_bundle(folder / "model").folder
    given = ("detect_bag", folder / "bag", "--out", folder / "out", "--model", model, "--encoder", "openvino")
    assert cli.main([str(word) for word in given]) == 0
    return Recording(folder / "out" / "bag.mcap")


def test_schemas_and_encodings_are_those_of_ros_2(recording: Recording) -> None:
    assert recording.profile == "ros2"
    for topic, kind in {**DRAWN, "/tf_static": "tf2_msgs/msg/TFMessage"}.items():
        assert recording.kinds[topic] == (kind, "ros2msg", "cdr")
    for topic, definition in recording.definitions.items():
        # Whole: every type that is used is defined in the same text.
        parts = {line.removeprefix("MSG: ") for line in definition.splitlines() if line.startswith("MSG: ")}
        used = {
            line.split()[0]
            for line in definition.splitlines()
            if "/" in line.split("#")[0] and not line.startswith("MSG")
        }
        assert {name.partition("[")[0] for name in used if not name.startswith("#")} <= parts, topic


def test_everything_that_is_drawn_is_in_a_frame_that_tf_has_by_then(recording: Recording) -> None:
    frames = {
        name: time
        for time, message in zip(recording.times["/tf_static"], recording.parse("/tf_static", TFMessage), strict=True)
        for said in message.transforms
        for name in (said.header.frame_id, said.child_frame_id)
    }
    clouds, arrays = recording.parse("/points", PointCloud2), recording.parse("/markers", MarkerArray)
    assert len(clouds) == len(arrays) == CLOUDS
    assert LAYOUT["followTf"] in frames
    for topic, headers in (
        ("/points", [[cloud.header] for cloud in clouds]),
        ("/markers", [[marker.header for marker in array.markers] for array in arrays]),
    ):
        for time, of_message in zip(recording.times[topic], headers, strict=True):
            assert {header.frame_id for header in of_message} <= set(frames)
            assert frames[of_message[0].frame_id] <= time
    assert [cloud.header for cloud in clouds] == [array.markers[0].header for array in arrays]


def test_markers_are_of_kinds_that_are_drawn_and_replace_those_before(recording: Recording) -> None:
    drawn = 0
    for array in recording.parse("/markers", MarkerArray):
        first, *others = array.markers
        assert first.action == Marker.DELETEALL
        names = [(marker.ns, marker.id) for marker in others]
        assert len(set(names)) == len(names)
        for marker in others:
            assert marker.action == Marker.ADD and marker.type in KNOWN_MARKERS
            # Until the next ones: of a paused recording they are to stay.
            assert (marker.lifetime.sec, marker.lifetime.nanosec) == (0, 0)
            assert marker.color.a > 0.0 and (marker.scale.x > 0.0 or marker.scale.z > 0.0)
            assert len(marker.points) % 2 == 0
            drawn += 1
    assert drawn > 0, "a test of nothing"


def test_clouds_have_the_fields_that_the_layout_colours_them_by(recording: Recording) -> None:
    for topic, settings in LAYOUT["topics"].items():
        if "colorField" not in settings:
            continue
        assert settings["colorMode"] in KNOWN_COLOR_MODES
        if topic == "/points":
            for cloud in recording.parse(topic, PointCloud2):
                assert settings["colorField"] in [field.name for field in cloud.fields]
                assert len(cloud.data) == cloud.height * cloud.row_step == cloud.width * cloud.point_step
    assert set(DRAWN) <= set(LAYOUT["topics"])
