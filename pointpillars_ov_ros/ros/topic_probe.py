# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Observation of a cloud topic for some seconds, as the detector would see it: publishers, clouds and TF."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing, TransformBuffer
from pointpillars_ov_ros.config.errors import ConfigError, shown
from pointpillars_ov_ros.ros.cloud_sources import CLOUD_TYPE
from pointpillars_ov_ros.ros.conversions import stamp_to_ns
from pointpillars_ov_ros.ros.qos import keep_last
from pointpillars_ov_ros.ros.ros_errors import ros_refusals
from pointpillars_ov_ros.ros.transform_listener import TransformListener

NAME = "pointpillars_doctor"
_KEPT_CLOUDS = 10
"""Number of clouds that are kept whole; of the others only the head is kept."""
_ENOUGH_CLOUDS = 20
_LEAST_S = 2.0
"""Minimum duration, even if enough clouds arrive earlier: the graph and TF become known gradually."""
_DEPTH = 50
_SPIN_S = 0.05


class Endpoint(NamedTuple):
    """A publisher or a subscription of a topic."""

    node: str
    type: str
    profile: QoSProfile
    namespace: str = "/"

    @property
    def path(self) -> str:
        """The node with its namespace, as `ros2 param` takes it."""
        return f"{self.namespace.rstrip('/')}/{self.node}"


class CloudHead(NamedTuple):
    """A cloud without its points."""

    stamp_ns: int
    received_ns: int
    """Time since the epoch, by the clock of this machine."""
    frame: str
    size: int
    """Size of the data (bytes)."""
    number: int | None
    """Sequence number of its publisher; None: the middleware does not report it."""


@dataclass
class TopicView:
    """Observations of a topic."""

    topic: str
    seconds: float
    """Maximum duration of the observation."""
    publishers: list[Endpoint] = field(default_factory=list)
    subscriptions: list[Endpoint] = field(default_factory=list)
    """Subscriptions of other nodes."""
    cloud_topics: dict[str, int] = field(default_factory=dict)
    """Number of publishers of each PointCloud2 topic."""
    has_clock: bool = False
    """Whether /clock is published, as by a simulator or a bag."""
    heads: list[CloudHead] = field(default_factory=list)
    clouds: list[PointCloud2] = field(default_factory=list)
    """The first clouds."""
    transforms: TransformBuffer = field(default_factory=TransformBuffer)

    @property
    def cloud_publishers(self) -> list[Endpoint]:
        """Publishers of the type that the detector takes."""
        return [one for one in self.publishers if one.type == CLOUD_TYPE]


def probe_topic(topic: str, seconds: float, target: str = "") -> TopicView:
    """Observe `topic` for at most `seconds`, less if enough clouds arrive; if it is empty, only the graph.

    With a `target` frame, this includes the transforms of the clouds to it. ConfigError if ROS refuses the name.
    """
    context = Context()
    with ros_refusals():
        # Ctrl-C must end this by Python's own handler.
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _probe(context, topic, seconds, target)
    finally:
        context.try_shutdown()


def _probe(context: Context, topic: str, seconds: float, target: str) -> TopicView:
    node = Node(NAME, context=context, enable_rosout=False, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    view = TopicView(topic, seconds)
    try:
        listener = TransformListener(node, lambda: None)
        view.transforms = listener.buffer
        if topic:
            with ros_refusals(), _refused_names(topic):
                subscription = node.create_subscription(
                    PointCloud2,
                    topic,
                    lambda message, info: _note(view, message, info),
                    keep_last(_DEPTH, reliable=False),
                )
            view.topic = str(subscription.topic_name)
        begin = time.monotonic()
        while not _is_enough(view, time.monotonic() - begin, target):
            executor.spin_once(timeout_sec=_SPIN_S)
        _look_at_graph(node, view)
    finally:
        executor.shutdown()
        node.destroy_node()
    return view


@contextmanager
def _refused_names(topic: str) -> Iterator[None]:
    """Raise ConfigError for a name that is not valid for a topic."""
    try:
        yield
    except InvalidTopicNameException as error:
        raise ConfigError(f"--topic {shown(topic)}: {str(error).splitlines()[0].rstrip(':')}") from None


def _is_enough(view: TopicView, passed_s: float, target: str) -> bool:
    if passed_s < min(_LEAST_S, view.seconds) or not view.topic:
        return passed_s >= view.seconds
    is_heard = len(view.heads) >= _ENOUGH_CLOUDS and (not target or find_transform(view, target) is not None)
    return is_heard or passed_s >= view.seconds


def find_transform(view: TopicView, target: str) -> Transform | None:
    """Return T_target_sensor at the newest cloud with a transform; the identity without a target."""
    if not target:
        return Transform.identity()
    for head in reversed(view.heads):
        found = view.transforms.find(target, head.frame, head.stamp_ns)
        if not isinstance(found, Missing):
            return found
    return None


def _note(view: TopicView, message: PointCloud2, info: dict[str, Any]) -> None:
    """Keep the head of a cloud; keep the first clouds whole."""
    view.heads.append(
        CloudHead(
            stamp_to_ns(message.header),
            time.time_ns(),
            message.header.frame_id,
            len(message.data),
            info.get("publication_sequence_number"),
        )
    )
    if len(view.clouds) < _KEPT_CLOUDS:
        view.clouds.append(message)


def _look_at_graph(node: Node, view: TopicView) -> None:
    names = dict(node.get_topic_names_and_types())
    for name, types in names.items():
        if CLOUD_TYPE in types and (count := len(_endpoints(node.get_publishers_info_by_topic(name), CLOUD_TYPE))):
            view.cloud_topics[name] = count
    view.has_clock = bool(node.get_publishers_info_by_topic("/clock"))
    if view.topic:
        view.publishers = _endpoints(node.get_publishers_info_by_topic(view.topic))
        view.subscriptions = _endpoints(node.get_subscriptions_info_by_topic(view.topic))


def _endpoints(infos: list[Any], kind: str = "") -> list[Endpoint]:
    """Return the endpoints of other nodes, of type `kind` if given."""
    found = [
        Endpoint(str(info.node_name), str(info.topic_type), info.qos_profile, str(info.node_namespace))
        for info in infos
    ]
    return [one for one in found if one.node != NAME and kind in ("", one.type)]
