# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that a subscription has received and not yet given to its callback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def waiting_messages(subscription: Subscription) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield those messages, each with what rclpy says of it (`source_timestamp`, ...); they are gone from the queue."""
    with subscription.handle:
        while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            yield taken
