# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A look at a cloud topic for some seconds, as the detector would hear it: who is there, what comes, what TF says."""

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
"""Of those that come, whole; of the others the head only."""
_ENOUGH_CLOUDS = 20
_LEAST_S = 2.0
"""To look for, also where enough clouds come before: the graph and TF become known one by one."""
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
    """What of a cloud is not its points."""

    stamp_ns: int
    received_ns: int
    """Since the epoch, by the clock of this machine."""
    frame: str
    size: int
    """Of the data (bytes)."""
    number: int | None
    """Among those of its publisher; None: the middleware does not say."""


@dataclass
class TopicView:
    """What was seen of a topic."""

    topic: str
    seconds: float
    """How long was looked at most."""
    publishers: list[Endpoint] = field(default_factory=list)
    subscriptions: list[Endpoint] = field(default_factory=list)
    """Those of others."""
    cloud_topics: dict[str, int] = field(default_factory=dict)
    """Publishers of each topic of PointCloud2."""
    has_clock: bool = False
    """Whether somebody publishes /clock, as a simulator or a bag does."""
    heads: list[CloudHead] = field(default_factory=list)
    clouds: list[PointCloud2] = field(default_factory=list)
    """The first ones."""
    transforms: TransformBuffer = field(default_factory=TransformBuffer)

    @property
    def cloud_publishers(self) -> list[Endpoint]:
        """Those that send what the detector takes."""
        return [one for one in self.publishers if one.type == CLOUD_TYPE]


def probe_topic(topic: str, seconds: float, target: str = "") -> TopicView:
    """Look at `topic` for `seconds` at most, not so long where enough clouds come; an empty one: at the graph only.

    With a `target` frame, it is looked for the transforms of the clouds to it, too. ConfigError where ROS refuses the
    name.
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
    """Raise ConfigError for a name that no topic can have."""
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
    """Return T_target_sensor at the newest cloud that TF knows one for; the identity without a target."""
    if not target:
        return Transform.identity()
    for head in reversed(view.heads):
        found = view.transforms.find(target, head.frame, head.stamp_ns)
        if not isinstance(found, Missing):
            return found
    return None


def _note(view: TopicView, message: PointCloud2, info: dict[str, Any]) -> None:
    """Keep the head of a cloud, and the whole of the first ones."""
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
    """Return the endpoints of others, of type `kind` where one is given."""
    found = [
        Endpoint(str(info.node_name), str(info.topic_type), info.qos_profile, str(info.node_namespace))
        for info in infos
    ]
    return [one for one in found if one.node != NAME and kind in ("", one.type)]
