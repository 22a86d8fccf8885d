# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Listener that fills a buffer from /tf and /tf_static, also for ROS distributions without tf2_ros (wheels)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from pointpillars_ov_ros.clouds.transform_buffer import TransformBuffer
from pointpillars_ov_ros.ros.conversions import add_transforms
from pointpillars_ov_ros.ros.qos import keep_last, latched

_DYNAMIC = keep_last(100)
_STATIC = latched(100)
"""Every broadcaster keeps its own last message for late subscribers."""


class TransformListener:
    """Listener to TF until it is destroyed."""

    def __init__(self, node: Node, on_more: Callable[[], None]) -> None:
        """Start listening; `on_more` is called after each message, on the executor's thread."""
        self._node, self._on_more = node, on_more
        self.buffer = TransformBuffer()
        self._subscriptions = [
            node.create_subscription(TFMessage, topic, partial(self._add, is_static=profile is _STATIC), profile)
            for topic, profile in (("/tf", _DYNAMIC), ("/tf_static", _STATIC))
        ]

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _add(self, message: TFMessage, is_static: bool) -> None:
        add_transforms(self.buffer, message, is_static)
        self._on_more()
