# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for the launch files: arguments with descriptions, and packages that may be missing."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from pointpillars_ov_ros.config.errors import ConfigError


class Argument(NamedTuple):
    """An argument of a launch file; `default` None: it is required."""

    default: str | None
    description: str
    choices: tuple[str, ...] = ()


def switch(default: bool, description: str) -> Argument:
    """Return an argument that is true or false."""
    return Argument(str(default).lower(), description, ("true", "false"))


def declare(arguments: Mapping[str, Argument]) -> list[Any]:
    """Return the actions that declare `arguments`."""
    # Only launch files call this, and only there `launch` is installed for certain.
    from launch.actions import DeclareLaunchArgument

    return [
        DeclareLaunchArgument(
            name, default_value=argument.default, description=argument.description, choices=argument.choices or None
        )
        for name, argument in arguments.items()
    ]


def rehearsal(function: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return a function that only checks whether `function` of an OpaqueFunction can do its work.

    It belongs at the start of a launch file: after an error, launch leaves nodes running that it has already started.
    """

    def rehearse(context: Any) -> list[Any]:
        function(context)
        return []

    return rehearse


def ends_all(name: str, on_success: list[Any] | None = None) -> Callable[[Any, Any], list[Any]]:
    """Return the `on_exit` of a process, `name`, without which the others are of no use: all end when it fails.

    By a ConfigError, on which `ros2 launch` ends them all and fails itself; after a Shutdown alone it would end with 0.
    `on_success` are the actions where the process ends well; None: all end then, too.
    """

    def on_exit(event: Any, context: Any) -> list[Any]:
        from launch.actions import EmitEvent
        from launch.events import Shutdown

        if context.is_shutdown:
            return []
        if event.returncode:
            raise ConfigError(f"{name} ended with code {event.returncode}, so everything ends: its last line says why")
        return [EmitEvent(event=Shutdown(reason=f"{name} has ended"))] if on_success is None else on_success

    return on_exit


def existing_file(argument: str, path: str) -> str:
    """Return the path of a file that an argument names, ~ expanded; ConfigError if it does not exist."""
    expanded = os.path.expanduser(path)
    if not os.path.isfile(expanded):
        raise ConfigError(f"{argument}: there is no file {expanded}")
    return expanded


def number(argument: str, text: str, low: float, high: float = math.inf) -> float:
    """Return the number that an argument gives; ConfigError unless it is above `low`, and at most `high`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low < value <= high or math.isinf(value):
        limits = f"above {low:g}" if math.isinf(high) else f"above {low:g}, {high:g} at most"
        raise ConfigError(f"{argument}: {text!r} is not a number {limits}")
    return value


def enclave(namespace: str, node: str) -> list[str]:
    """Return the ROS arguments that put a node into the security enclave named after the node.

    This only matters if security is on (ROS_SECURITY_ENABLE); without it, all nodes would share the enclave `/`.
    """
    return ["--enclave", "/".join(["", *filter(None, namespace.split("/")), node])]


def package_share(package: str, reason: str) -> Path:
    """Return the share folder of a package; if it is missing, ConfigError gives `reason` and how to install it."""
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError:
        debian = f"ros-{os.environ.get('ROS_DISTRO', 'jazzy')}-{package.replace('_', '-')}"
        raise ConfigError(f"{reason} needs {package}, which is not installed: `sudo apt install {debian}`") from None
