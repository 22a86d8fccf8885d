# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the package's topics."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.ros.settings import InputReliability

_REPLAY_DEPTH = 32


def keep_last(depth: int, *, reliable: bool = True) -> QoSProfile:
    """Return a volatile profile that keeps the last `depth` messages."""
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability)


def latched(depth: int) -> QoSProfile:
    """Return a profile whose last `depth` messages late subscribers receive, too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


OUTPUT = keep_last(10)
TIMING = keep_last(100)
LATCHED = latched(1)
"""Profile for what late subscribers must still receive: static transforms, class names."""


def cloud_input(
    policy: DropPolicy, reliability: InputReliability, depth: int, offered: Iterable[QoSProfile] = ()
) -> QoSProfile:
    """Return the profile of the cloud subscription; `depth` 0 follows the policy.

    Live, it is SensorDataQoS with a depth of 1: with a deeper queue and a detector slower than the sensor, every cloud
    would be as old as the queue is long. In replay, auto requests what all publishers offer (`offered`): a reliable
    subscription receives nothing from a best-effort publisher, as most drivers are, and so are the bags of them.
    """
    replay = policy is DropPolicy.REPLAY
    if reliability is InputReliability.AUTO:
        is_reliable = replay and not any(is_best_effort(profile) for profile in offered)
    else:
        is_reliable = reliability is InputReliability.RELIABLE
    return keep_last(depth or (_REPLAY_DEPTH if replay else 1), reliable=is_reliable)


def is_best_effort(profile: QoSProfile) -> bool:
    """Whether lost messages are not sent again."""
    return bool(profile.reliability == ReliabilityPolicy.BEST_EFFORT)
