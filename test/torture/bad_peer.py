# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that publishes what no driver should on the topic of the clouds, and writes down what it sent.

    python -m test.torture.bad_peer JOURNAL KIND --rate 10 --count 50

Lines of kind `ready`, `sent` and `end`. Clouds are in the frame `bad` unless the frame is what is bad about them.
"""

from __future__ import annotations

import argparse
import array
import copy
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header, String

from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.inference.toy_bundle import toy_cloud
from test.torture.journal import Journal

_GREATEST = 2**32 - 1
_MANY = 30_000
_FAR = array.array("B", np.full((_MANY, 4), 500.0, np.float32).tobytes())
_LENGTH_AT = {"frame": 12, "fields": 28}
"""Offsets of their lengths in a serialized cloud of frame `bad`."""
_SIZES: tuple[dict[str, int], ...] = (
    {"width": 0},
    {"width": 59},
    {"width": _GREATEST},
    {"width": 2**31, "row_step": 0},
    {"height": 0},
    {"height": 2},
    {"height": _GREATEST, "row_step": 0},
    {"point_step": 0},
    {"point_step": 15},
    {"point_step": _GREATEST},
    {"row_step": 959},
    {"row_step": _GREATEST},
    {"width": 2**28, "row_step": _GREATEST},
    {"width": _GREATEST, "height": _GREATEST, "point_step": _GREATEST, "row_step": _GREATEST},
    {"width": 2**16, "height": 2**16, "point_step": 1, "row_step": 2**16},
)
"""Description of 60 points of 16 bytes in one row."""


def garbage(number: int, cloud: PointCloud2) -> bytes:
    """Return bytes that are not a PointCloud2: noise, nothing, truncated, other byte order, lengths of 4 GB."""
    raw, random = serialize_message(cloud), np.random.default_rng(number)
    lengths = {**_LENGTH_AT, "data": len(raw) - 1 - len(cloud.data) - 4}
    lies = [raw[:at] + struct.pack("<I", _GREATEST) + raw[at + 4 :] for at in lengths.values()]
    noise = random.integers(0, 256, 500, np.uint8).tobytes()
    kinds = [noise, raw[:4] + noise, b"", raw[:4], raw[: len(raw) // 2], b"\xff\xff\xff\xff" + raw[4:], *lies]
    return bytes(kinds[number % len(kinds)])


def many_fields(number: int, cloud: PointCloud2) -> bytes:
    """Return 4 MB that claim to be as many fields, the most that the middleware does not reject at once."""
    raw, at, claimed = serialize_message(cloud), _LENGTH_AT["fields"], 4_000_000
    return bytes(raw[:at] + struct.pack("<I", claimed) + raw[at + 4 :] + bytes(claimed))


def sizes(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud with impossible sizes."""
    for name, value in _SIZES[number % len(_SIZES)].items():
        setattr(cloud, name, value)
    return cloud


def empty(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud without data, or without fields."""
    if number % 2 == 0:
        cloud.data = array.array("B")
    else:
        cloud.fields = []
    return cloud


def blank(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud without points, or without one finite point."""
    if number % 2 == 0:
        cloud.width, cloud.row_step, cloud.data = 0, 0, array.array("B")
    else:
        cloud.data = array.array("B", np.full(len(cloud.data) // 4, np.nan, np.float32).tobytes())
    return cloud


def fields(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud with fields that are out of range, of unknown type, arrays, or thousands."""
    field = cloud.fields[number % 3]
    if number % 4 == 0:
        field.offset = _GREATEST
    elif number % 4 == 1:
        field.datatype = 0
    elif number % 4 == 2:
        field.count = _GREATEST
    else:
        cloud.fields = [PointField(name=f"field {k}\n", datatype=7, count=1) for k in range(5000)]
    return cloud


def stamps(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud from the past, the future, before 1970, without a time, or with too many nanoseconds."""
    times = ((0, 0), (1, number), (-1, 999_999_999), (-(2**31), 0), (2**31 - 1, number), (1_000_000, _GREATEST))
    cloud.header.stamp.sec, cloud.header.stamp.nanosec = times[number % 6]
    return cloud


def frames(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud in a unique frame: any script, with line feeds, empty, of 10 000 letters."""
    cloud.header.frame_id = ("", f"lidar {number}\nERROR: no", f"激光雷达_{number}", f"{number}" * 10_000)[number % 4]
    return cloud


def values(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud with extreme numbers: not finite, or as large as possible, including the intensity."""
    points = np.frombuffer(bytes(cloud.data), np.float32).reshape(-1, 4).copy()
    wild = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45)[number % 6]
    points[1:, number // 6 % 4] = wild
    cloud.data = array.array("B", points.tobytes())
    return cloud


def large(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a cloud of a million points, of 16 or 32 bytes each."""
    step = (16, 32)[number % 2]
    points = np.zeros((1_000_000, step // 4), np.float32)
    points[:, :3] = np.random.default_rng(number).uniform(-5.0, 5.0, (len(points), 3))
    cloud.width, cloud.point_step, cloud.row_step = len(points), step, len(points) * step
    cloud.data = array.array("B", points.tobytes())
    return cloud


def flood(number: int, cloud: PointCloud2) -> PointCloud2:
    """Return a valid cloud of 0.5 MB, of which far too many are sent."""
    cloud.width, cloud.row_step = cloud.width + _MANY, cloud.row_step + _MANY * 16
    cloud.data.extend(_FAR)
    return cloud


def every_other(number: int, cloud: PointCloud2) -> PointCloud2 | bytes:
    """Return a good cloud, then garbage."""
    return garbage(number // 2, cloud) if number % 2 else cloud


def other_type(number: int, cloud: PointCloud2) -> String:
    """Return a message of another type."""
    return String(data="not a cloud" * (number + 1))


_ALL = (
    garbage,
    every_other,
    many_fields,
    sizes,
    empty,
    blank,
    fields,
    stamps,
    frames,
    values,
    large,
    flood,
    other_type,
)
KINDS: dict[str, Callable[[int, PointCloud2], PointCloud2 | bytes | String]] = {make.__name__: make for make in _ALL}


def publish(options: argparse.Namespace, journal: Journal) -> None:
    """Publish what the arguments say, whoever hears it."""
    node = rclpy.create_node("bad_peer")
    kind = String if options.kind == other_type.__name__ else PointCloud2
    publisher = node.create_publisher(kind, "points", qos.keep_last(5))
    journal.write("ready", at_ns=time.time_ns())
    is_heard = kind is not PointCloud2
    while not is_heard or node.count_publishers("points") < options.publishers:
        time.sleep(0.05)
        is_heard = is_heard or publisher.get_subscription_count() > 0
    # The other side may find this one a moment later.
    time.sleep(1.0)
    begin_s = time.monotonic()
    for number in range(options.count):
        now_ns = time.time_ns()
        header = Header(frame_id="bad")
        header.stamp.sec, header.stamp.nanosec = divmod(now_ns, 1_000_000_000)
        message = KINDS[options.kind](number, create_cloud(header, copy.deepcopy(FIELDS), toy_cloud(number)))
        time.sleep(max(0.0, begin_s + number / options.rate - time.monotonic()))
        publisher.publish(message)
        is_cloud = isinstance(message, PointCloud2)
        stamp = message.header.stamp if is_cloud else header.stamp
        journal.write("sent", at_ns=now_ns, stamp=[stamp.sec, stamp.nanosec], is_cloud=is_cloud)
    # What is on its way goes with the process.
    time.sleep(1.0)
    journal.write("end", at_ns=time.time_ns())


def main() -> int:
    """Publish what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("journal", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--publishers", type=int, default=2, help="to wait for, this one included")
    options = parser.parse_args()
    rclpy.init()
    with Journal(options.journal) as journal:
        publish(options, journal)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
