# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI frames written to a bag, as `kitti_player` would publish them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tqdm import tqdm

from pointpillars_ov_ros.bags.message_types import to_cdr
from pointpillars_ov_ros.bags.writer import check_new, new_bag
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.kitti.calibration import Calibration
from pointpillars_ov_ros.kitti.frames import Frame, can_crop
from pointpillars_ov_ros.kitti.raw import START_NS, TIMES, find_time
from pointpillars_ov_ros.ros.kitti_messages import (
    camera_transform,
    lidar_transform,
    to_camera_info,
    to_cloud,
    to_ground_truth,
    to_image,
)
from pointpillars_ov_ros.ros.settings import PlayerConfig

CLOUDS, TRUTH, TF = "/points", "/ground_truth", "/tf_static"
CAMERA_INFO, IMAGES = "/camera/camera_info", "/camera/image_rect/compressed"
TYPES = {
    TF: "tf2_msgs/msg/TFMessage",
    CAMERA_INFO: "sensor_msgs/msg/CameraInfo",
    IMAGES: "sensor_msgs/msg/CompressedImage",
    TRUTH: "vision_msgs/msg/Detection3DArray",
    CLOUDS: "sensor_msgs/msg/PointCloud2",
}
CAMERA_FRAME = "camera_optical"


class StampedMessage(NamedTuple):
    """A message to be written."""

    topic: str
    stamp_ns: int
    data: bytes

    @classmethod
    def of(cls, topic: str, stamp_ns: int, message: Any) -> StampedMessage:
        """Serialize a message of rclpy."""
        return cls(topic, stamp_ns, to_cdr(message, TYPES[topic]))


def write_kitti_bag(frames: list[Frame], out: Path, storage: str, rate_hz: float, crop: bool) -> Counter[str]:
    """Write the bag `out`; return the number of messages on each topic.

    `rate_hz` is for frames without times. With `crop`, only points that the camera sees are kept; PointPillarsError if
    a frame lacks its calibration.
    """
    check_new(out)
    for frame in frames if crop else ():
        if not can_crop(frame):
            raise PointPillarsError(f"--crop: {frame.cloud} lacks a calibration, so the camera's view is unknown")
    written: Counter[str] = Counter()
    with new_bag(out, storage) as bag:
        for topic in topics_of(frames):
            bag.add_topic(topic, TYPES[topic], latched=topic == TF)
        for message in kitti_messages(tqdm(frames, unit="frame", desc="writing"), rate_hz, crop):
            bag.write(*message)
            written[message.topic] += 1
    return written


def topics_of(frames: list[Frame]) -> list[str]:
    """Return the topics that `kitti_messages` has messages on."""
    there = {
        CAMERA_INFO: any(frame.calibration for frame in frames),
        IMAGES: any(frame.image for frame in frames),
        TRUTH: any(frame.labels and frame.calibration for frame in frames),
    }
    return [topic for topic in TYPES if there.get(topic, True)]


def kitti_messages(frames: Any, rate: float, crop: bool) -> Iterator[StampedMessage]:
    """Yield the messages of `frames`, an iterable of `Frame`, in the order of their stamps.

    The camera's transform is repeated whenever the calibration changes: frames of the object set were taken on several
    days.
    """
    config = PlayerConfig()
    known: bytes | None = None
    times: dict[Path, list[int | None]] = {}
    for number, frame in enumerate(frames):
        stamp_ns = START_NS + round(number * 1e9 / rate)
        if frame.times is not None:
            stamp_ns = find_time(frame.times, frame.scan, times)
        header, calibration = make_header(stamp_ns, config.frame_id), frame.read_calibration()
        messages: list[StampedMessage] = []
        if number == 0:
            base = make_header(stamp_ns, config.base_frame_id)
            messages.append(_static(stamp_ns, lidar_transform(base, config.frame_id, config.sensor_height)))
        if calibration is not None and calibration.T_camera_lidar.tobytes() != known:
            known = calibration.T_camera_lidar.tobytes()
            messages.append(_static(stamp_ns, camera_transform(header, CAMERA_FRAME, calibration)))
        truth = to_ground_truth(frame, header)
        if truth is not None:
            messages.append(StampedMessage.of(TRUTH, stamp_ns, truth))
        messages.append(StampedMessage.of(CLOUDS, stamp_ns, to_cloud(frame, header, crop)))
        messages += _camera_messages(frame, calibration, stamp_ns, times)
        yield from sorted(messages, key=lambda message: message.stamp_ns)


def _static(stamp_ns: int, transform: TransformStamped) -> StampedMessage:
    return StampedMessage.of(TF, stamp_ns, TFMessage(transforms=[transform]))


def _camera_messages(
    frame: Frame, calibration: Calibration | None, stamp_ns: int, times: dict[Path, list[int | None]]
) -> Iterator[StampedMessage]:
    """Yield image and CameraInfo; those of a raw drive have their own times."""
    if frame.image is not None and frame.times is not None and frame.times.name == TIMES:
        stamp_ns = find_time(frame.image.parent.parent / TIMES, frame.scan, times)
    header = make_header(stamp_ns, CAMERA_FRAME)
    if calibration is not None:
        info = to_camera_info(header, calibration, frame.read_image_size())
        yield StampedMessage.of(CAMERA_INFO, stamp_ns, info)
    if frame.image is not None:
        yield StampedMessage.of(IMAGES, stamp_ns, to_image(header, frame.image.read_bytes()))


def make_header(stamp_ns: int, frame_id: str) -> Header:
    """Return a header."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)
