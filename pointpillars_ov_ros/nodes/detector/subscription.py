# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector's subscription, which changes its quality of service while clouds come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.nodes.detector.cloud_gaps import CloudGaps

_REMEMBERED = 256
_THROTTLE_S = 5.0
_TYPE = "sensor_msgs/msg/PointCloud2"


class Heard(NamedTuple):
    """A message, and what its publisher's middleware says of it."""

    message: Any
    sent_ns: int
    """0: it does not say."""
    number: int | None
    """From the publisher's first message on; None: it does not say."""


class CloudInput:
    """Every cloud heard, once and in order. Used from the executor's thread only.

    Another quality of service needs another subscription, and a publisher takes a moment to find it. So the one
    before is kept until the new one hears a cloud; what both hear counts once.
    """

    def __init__(
        self, node: Node, profile: QoSProfile, on_cloud: Callable[[PointCloud2], None], on_lost: Callable[[int], None]
    ) -> None:
        """Subscribe to `points`; `on_lost` is told how many more clouds were sent and cannot be heard any more."""
        self._node, self._profile = node, profile
        self._on_cloud, self._on_lost = on_cloud, on_lost
        self._leaving: list[Subscription] = []
        self._heard_twice: deque[int] = deque(maxlen=_REMEMBERED)
        """When the clouds were sent that a subscription that leaves has heard, and so may the new one."""
        self._changes = 0
        self._gaps = CloudGaps(self._publishers)
        self._matched_before = 1
        self._subscription = self._subscribe()

    @property
    def topic(self) -> str:
        """The topic's full name."""
        return str(self._subscription.topic_name)

    def refusal(self, profile: QoSProfile) -> str:
        """Say which publisher would not be heard any more with `profile`; empty where none."""
        if profile == self._profile:
            return ""
        for publisher in self._node.get_publishers_info_by_topic(self.topic):
            compatibility, reason = qos_check_compatible(publisher.qos_profile, profile)
            if compatibility == QoSCompatibility.ERROR:
                why = reason.removeprefix("ERROR:").strip(" ;")
                return f"{publisher.node_name} would not be heard on {self.topic} any more ({why})"
        return ""

    def change(self, profile: QoSProfile) -> None:
        """Hear clouds with another quality of service from now on."""
        if profile == self._profile:
            return
        self._profile = profile
        self._changes += 1
        self._leaving.append(self._subscription)
        self._subscription = self._subscribe()

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in (*self._leaving, self._subscription):
            self._node.destroy_subscription(subscription)
        self._leaving = []

    def _subscribe(self) -> Subscription:
        change = self._changes
        return self._node.create_subscription(
            PointCloud2,
            "points",
            lambda message, info: self._receive(change, to_heard(message, info)),
            self._profile,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._count_lost),
        )

    def _receive(self, change: int, heard: Heard) -> None:
        clouds, is_leaving, matched = [heard], bool(self._leaving), self._matched()
        if matched > self._matched_before:
            self._say_several(matched)
        self._matched_before = matched
        if is_leaving and change == self._changes:
            clouds = self._take_over(heard)
        for cloud in clouds:
            if cloud.sent_ns and cloud.sent_ns in self._heard_twice:
                continue
            if is_leaving:
                self._heard_twice.append(cloud.sent_ns)
            if gap := self._gaps.before(cloud.number, matched):
                self._on_lost(gap)
            self._on_cloud(cloud.message)

    def _take_over(self, heard: Heard) -> list[Heard]:
        """Give what is left in the subscriptions that leave, and in the new one, in the order of sending."""
        clouds = [heard]
        for subscription in (*self._leaving, self._subscription):
            clouds += take_all(subscription)
        for subscription in self._leaving:
            self._node.destroy_subscription(subscription)
        self._leaving = []
        return sorted(clouds, key=attrgetter("sent_ns"))

    def _count_lost(self, event: Any) -> None:
        """Count what the middleware says is lost, unless that will be a gap."""
        if not self._gaps.is_counting:
            self._on_lost(event.total_count_change)

    def _say_several(self, matched: int) -> None:
        self._node.get_logger().warning(
            f"{matched} publishers on {self.topic}: the clouds of all are detected, but those that a newer one "
            "overwrites before they are taken are not counted as lost, since it cannot be told whose they are",
            throttle_duration_sec=_THROTTLE_S,
        )

    def _matched(self) -> int:
        """Give how many publishers are heard; one that is about to be, by a new subscription, is by the old."""
        return max(int(one.get_publisher_count()) for one in (*self._leaving, self._subscription))

    def _publishers(self) -> frozenset[bytes]:
        """Give the ids of all that publish clouds here."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        return frozenset(bytes(info.endpoint_gid) for info in infos if info.topic_type == _TYPE)


def to_heard(message: Any, info: dict[str, Any]) -> Heard:
    """Read what rclpy gives along with a message; older ones do not give its number."""
    return Heard(message, info["source_timestamp"], info.get("publication_sequence_number"))


def take_all(subscription: Subscription) -> Iterator[Heard]:
    """Take what a subscription has received and not yet given to its callback."""
    with subscription.handle:
        while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            yield to_heard(*taken)
