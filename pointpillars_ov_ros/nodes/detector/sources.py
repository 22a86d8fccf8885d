# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Monitoring of the publishers of clouds: requests what they offer, and reports why none can be received."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

from pointpillars_ov_ros.nodes.detector.input import CloudSubscription
from pointpillars_ov_ros.ros.cloud_sources import (
    explain_refusal,
    explain_silence,
    find_publishers,
    is_refused,
    publisher_names,
)
from pointpillars_ov_ros.ros.qos import is_best_effort

_LOOK_EVERY_S = 1.0
_PATIENCE_S = 3.0
"""Time for the discovery of publishers, and for a driver that starts together with the detector."""


class SourceWatch:
    """Watch of the publishers, once a second, and at once if one is incompatible; for the executor's thread only."""

    def __init__(
        self, node: Node, subscription: CloudSubscription, make_profile: Callable[[Sequence[QoSProfile]], QoSProfile]
    ) -> None:
        """Start watching; `make_profile` returns the profile to request from publishers with the given profiles."""
        self._node, self._subscription, self._make_profile = node, subscription, make_profile
        self._heard_s = time.monotonic()
        """Time at which clouds were last published, or watching began."""
        self._had_any = False
        self._begin_s = self._heard_s
        self._lacks_clock = False
        self._said = ""
        # On a clock that continues while a bag is paused.
        self._timer = node.create_timer(_LOOK_EVERY_S, self.look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        subscription.on_refused = self.look

    def destroy(self) -> None:
        """Stop watching."""
        self._node.destroy_timer(self._timer)
        self._subscription.on_refused = lambda: None

    def look(self) -> None:
        """Request what the current publishers offer, and report once what keeps their clouds away."""
        node, topic = self._node, self._subscription.topic
        infos = find_publishers(node, topic)
        if infos:
            self._heard_s, self._had_any = time.monotonic(), True
            self._follow([info.qos_profile for info in infos], publisher_names(infos))
            refused = [info for info in infos if is_refused(info.qos_profile, self._subscription.profile)]
            self._say(explain_refusal(topic, refused, self._subscription.profile))
        elif time.monotonic() - self._heard_s > _PATIENCE_S:
            silence = explain_silence(node, topic, self._subscription.profile, node.get_name())
            self._say(f"{silence} (it was published before)" if self._had_any else silence)
        self._look_at_clock()

    def _look_at_clock(self) -> None:
        """Report once that the time stands still, since it is to come from a /clock that nobody publishes."""
        clock = self._node.get_clock()
        if self._lacks_clock or not clock.ros_time_is_active or clock.now().nanoseconds:
            return
        if time.monotonic() - self._begin_s > _PATIENCE_S and not self._node.count_publishers("/clock"):
            self._lacks_clock = True
            self._node.get_logger().warning(
                "use_sim_time is true, but nobody publishes /clock, so the time stands at 0 and ages are wrong: play "
                "the bag with --clock, or set use_sim_time to false"
            )

    def _say(self, trouble: str) -> None:
        """Log once what keeps clouds away, and once that it is over."""
        if trouble and trouble != self._said:
            self._node.get_logger().warning(trouble)
        elif self._said and not trouble:
            self._node.get_logger().info(f"{self._subscription.topic} is published and received")
        self._said = trouble

    def _follow(self, offered: Sequence[QoSProfile], names: str) -> None:
        profile = self._make_profile(offered)
        if profile == self._subscription.profile:
            return
        self._subscription.change(profile)
        kind = "best effort" if is_best_effort(profile) else "reliable"
        lossy = ": lost messages are not sent again" if is_best_effort(profile) else ""
        self._node.get_logger().info(f"{names} offers clouds {kind}, so they are requested like that{lossy}")
