# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector's subscription, which changes its quality of service while clouds come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from sensor_msgs.msg import PointCloud2

_REMEMBERED = 256

Heard = tuple[int, PointCloud2]
"""A cloud, and when its publisher sent it (ns)."""


class CloudInput:
    """Every cloud heard, once and in order. Used from the executor's thread only.

    Another quality of service needs another subscription, and a publisher takes a moment to find it. So the one
    before is kept until the new one hears a cloud; what both hear counts once.
    """

    def __init__(
        self, node: Node, profile: QoSProfile, on_cloud: Callable[[PointCloud2], None], on_lost: Callable[[int], None]
    ) -> None:
        """Subscribe to `points`; `on_lost` is told how many more clouds the middleware has lost."""
        self._node, self._profile = node, profile
        self._on_cloud, self._on_lost = on_cloud, on_lost
        self._leaving: list[Subscription] = []
        self._heard_twice: deque[int] = deque(maxlen=_REMEMBERED)
        """When the clouds were sent that a subscription that leaves has heard, and so may the new one."""
        self._changes = 0
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
            lambda message, info: self._receive(change, (info["source_timestamp"], message)),
            self._profile,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._count_lost),
        )

    def _receive(self, change: int, heard: Heard) -> None:
        clouds, is_leaving = [heard], bool(self._leaving)
        if is_leaving and change == self._changes:
            clouds = self._take_over(heard)
        for sent_ns, message in clouds:
            # Middleware that does not tell the time says 0.
            if sent_ns and sent_ns in self._heard_twice:
                continue
            if is_leaving:
                self._heard_twice.append(sent_ns)
            self._on_cloud(message)

    def _take_over(self, heard: Heard) -> list[Heard]:
        """Give what is left in the subscriptions that leave, and in the new one, in the order of sending."""
        clouds = [heard]
        for subscription in (*self._leaving, self._subscription):
            clouds += take_all(subscription)
        for subscription in self._leaving:
            self._node.destroy_subscription(subscription)
        self._leaving = []
        return sorted(clouds, key=itemgetter(0))

    def _count_lost(self, event: Any) -> None:
        self._on_lost(event.total_count_change)


def take_all(subscription: Subscription) -> Iterator[Heard]:
    """Take what a subscription has received and not yet given to its callback."""
    with subscription.handle:
        while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            yield taken[1]["source_timestamp"], taken[0]
