# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the detector and its diagnostics on a cloud topic."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.nodes.dds import PROFILE_VARIABLES, profile_path, with_profile

SHARE = Path(get_package_share_directory("pointpillars_ov_ros"))

ARGUMENTS = {
    "points": ("/velodyne_points", "topic of the clouds (sensor_msgs/PointCloud2)"),
    "model_dir": ("", "folder of the model bundle; empty: the one in params_file, else the one in the box"),
    "params_file": (str(SHARE / "config" / "velodyne.yaml"), "parameters of the nodes"),
    "namespace": ("", "namespace of both nodes and their topics"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def generate_launch_description() -> LaunchDescription:
    profile = with_profile(os.environ, profile_path(SHARE))
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, profile[name]) for name in PROFILE_VARIABLES),
            OpaqueFunction(function=start_nodes),
        ]
    )


def start_nodes(context: LaunchContext) -> list[Node]:
    """Make the nodes; an argument that is empty leaves the value of the parameter file alone."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    parameters: list[object] = [given["params_file"]]
    if given["model_dir"]:
        parameters.append({"model_dir": given["model_dir"]})
    common = {
        "package": "pointpillars_ov_ros",
        "namespace": given["namespace"],
        "output": "screen",
        "ros_arguments": ["--log-level", given["log_level"]],
    }
    return [
        Node(
            executable="pointpillars_detector",
            parameters=parameters,
            remappings=[("points", given["points"])],
            **common,
        ),
        Node(executable="pointpillars_diagnostics", parameters=[given["params_file"]], **common),
    ]
