# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refusals of ROS as one sentence, and warnings about what its security silently allows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation

from pointpillars_ov_ros.config.errors import ConfigError

RCLError, UnknownROSArgsError = rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError


@contextmanager
def ros_refusals() -> Iterator[None]:
    """Raise ConfigError if ROS refuses something in this context: arguments, a name, an action of the enclave."""
    try:
        yield
    except UnknownROSArgsError as error:
        raise ConfigError(f"ROS does not know the arguments {error}") from error
    except RCLError as error:
        # Each part names the line of ROS's source that it comes from.
        reason = "; ".join(part.split(", at ")[0].rstrip(".") for part in str(error).split("\n"))
        hint = ""
        if is_secured():
            hint = " (security is on: the node's enclave must exist and allow each of its topics by the final name)"
        raise ConfigError(f"ROS refused: {reason}{hint}") from error


def is_secured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether security is requested; ROS accepts only the exact word `true`."""
    return environment.get("ROS_SECURITY_ENABLE") == "true"


def security_warning(environment: Mapping[str, str] = os.environ) -> str:
    """Return one sentence on what may run without the requested security; empty if nothing."""
    strategy = environment.get("ROS_SECURITY_STRATEGY", "")
    if not is_secured(environment) or strategy == "Enforce":
        return ""
    return (
        f"ROS_SECURITY_ENABLE is true, but ROS_SECURITY_STRATEGY is {strategy!r}, not 'Enforce': if a node's "
        "enclave is missing, the node runs without security"
    )
