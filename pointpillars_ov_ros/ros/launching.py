# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: arguments that are all described, and packages that need not be there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from pointpillars_ov_ros.config.errors import ConfigError


class Argument(NamedTuple):
    """An argument of a launch file; `default` None: it has to be given."""

    default: str | None
    description: str
    choices: tuple[str, ...] = ()


def switch(default: bool, description: str) -> Argument:
    """Return an argument that is true or false."""
    return Argument(str(default).lower(), description, ("true", "false"))


def declare(arguments: Mapping[str, Argument]) -> list[Any]:
    """Return the actions that declare `arguments`."""
    # Only launch files call this, and only where they are used there is `launch`.
    from launch.actions import DeclareLaunchArgument

    return [
        DeclareLaunchArgument(
            name, default_value=argument.default, description=argument.description, choices=argument.choices or None
        )
        for name, argument in arguments.items()
    ]


def rehearsal(function: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return what only finds out whether `function` of an OpaqueFunction can do its work.

    It is for the begin of a launch file: after an error, launch leaves those nodes running that it has started already.
    """

    def rehearse(context: Any) -> list[Any]:
        function(context)
        return []

    return rehearse


def enclave(namespace: str, node: str) -> list[str]:
    """Return the ROS arguments that put a node into the security enclave of its own full name.

    It counts only where security is on (ROS_SECURITY_ENABLE); without it, all nodes would share the enclave `/`.
    """
    return ["--enclave", "/".join(["", *filter(None, namespace.split("/")), node])]


def package_share(package: str, reason: str) -> Path:
    """Return the share folder of a package; ConfigError says how to get it where it is missing, and `reason`."""
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError:
        debian = f"ros-{os.environ.get('ROS_DISTRO', 'jazzy')}-{package.replace('_', '-')}"
        raise ConfigError(f"{reason} needs {package}, which is not installed: `sudo apt install {debian}`") from None
