# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ROS refuses to a node, in one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation

from pointpillars_ov_ros.core.errors import ConfigError

RCLError, UnknownROSArgsError = rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError


@contextmanager
def ros_refusals() -> Iterator[None]:
    """Raise ConfigError where ROS refuses something in this context: arguments, a name, what an enclave may not do."""
    try:
        yield
    except UnknownROSArgsError as error:
        raise ConfigError(f"ROS does not know the arguments {error}") from error
    except RCLError as error:
        # Each part of it names the line of ROS's source that it is from.
        reason = "; ".join(part.split(", at ")[0].rstrip(".") for part in str(error).split("\n"))
        hint = ""
        if os.environ.get("ROS_SECURITY_ENABLE") == "true":
            hint = " (security is on: its enclave must be there, and allow each of its topics by the final name)"
        raise ConfigError(f"ROS refuses: {reason}{hint}") from error
