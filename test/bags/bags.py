# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of clouds and other messages, and what is in a bag."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header, String

from pointpillars_ov_ros.bags.message_types import make_typestore
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
ODD = "my_msgs/msg/Odd"
"""A type that no ROS has; the bag says what it is."""
_ODD_MSG = "std_msgs/Header header\nuint8[] data\nfloat64 x\n"


class Read(NamedTuple):
    """A message in a bag."""

    topic: str
    kind: str
    stamp_ns: int
    data: bytes


def cloud(points: npt.NDArray[np.float32], number: int, frame_id: str = "velodyne") -> PointCloud2:
    """Return a cloud whose stamp is slightly before its reception."""
    seconds, nanoseconds = divmod(START_NS + number * STEP_NS - 1_234_567, 10**9)
    header = Header(frame_id=frame_id, stamp=Time(sec=seconds, nanosec=nanoseconds))
    return create_cloud(header, copy.deepcopy(FIELDS), points)


def write_bag(folder: Path, clouds: Sequence[PointCloud2 | bytes], storage: str = "mcap") -> Path:
    """Write clouds with other messages before, between and after them."""
    store = make_typestore()
    store.register(get_types_from_msg(_ODD_MSG, ODD))
    odd = store.types[ODD](
        header=store.types["std_msgs/msg/Header"](store.types["builtin_interfaces/msg/Time"](1, 2), "odd"),
        data=np.arange(7, dtype=np.uint8),
        x=1.5,
    )
    with BagWriter(folder, storage) as bag:
        bag.add_topic("/points", "sensor_msgs/msg/PointCloud2", latched=False)
        bag.add_topic("/said", "std_msgs/msg/String", latched=True)
        other = bag.writer.add_connection("/odd", ODD, typestore=store)
        for number, message in enumerate(clouds):
            stamp_ns = START_NS + number * STEP_NS
            bag.write("/said", stamp_ns - 5, serialize_message(String(data=f"before {number}")))
            data = message if isinstance(message, bytes) else serialize_message(message)
            bag.write("/points", stamp_ns, data)
            bag.write(other, stamp_ns, bytes(store.serialize_cdr(odd, ODD)))
    return folder


def contents(bag: Path) -> list[Read]:
    """Return all messages of a bag of ROS 2."""
    with Reader(bag) as reader:
        return [Read(c.topic, c.msgtype, stamp_ns, bytes(raw)) for c, stamp_ns, raw in reader.messages()]


def types(bag: Path) -> dict[str, tuple[Any, ...]]:
    """Return type, definition, hash and quality of each topic."""
    with Reader(bag) as reader:
        return {c.topic: (c.msgtype, c.msgdef, c.digest, c.ext) for c in reader.connections}


def picked(messages: list[Read], wanted: Callable[[str], bool]) -> list[Read]:
    """Return the messages of some topics."""
    return [message for message in messages if wanted(message.topic)]
