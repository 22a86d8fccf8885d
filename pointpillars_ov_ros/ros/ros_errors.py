# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ROS refuses to a node, in one sentence, and what its security lets pass without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation

from pointpillars_ov_ros.config.errors import ConfigError

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
        if is_secured():
            hint = " (security is on: its enclave must be there, and allow each of its topics by the final name)"
        raise ConfigError(f"ROS refuses: {reason}{hint}") from error


def is_secured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether security is asked for, as ROS takes it: by this very word."""
    return environment.get("ROS_SECURITY_ENABLE") == "true"


def security_warning(environment: Mapping[str, str] = os.environ) -> str:
    """Say in one sentence what may leave this process without the security asked for; empty where nothing does."""
    strategy = environment.get("ROS_SECURITY_STRATEGY", "")
    if not is_secured(environment) or strategy == "Enforce":
        return ""
    return (
        f"ROS_SECURITY_ENABLE is true, but ROS_SECURITY_STRATEGY is {strategy!r} and not 'Enforce': where a node's "
        "enclave is missing, it runs without security"
    )
