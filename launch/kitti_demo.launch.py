# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a KITTI folder through the detector and leaves a picture, a bag and tables, as `make demo` does."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.nodes.dds import PROFILE_VARIABLES, profile_path, with_profile

SHARE = Path(get_package_share_directory("pointpillars_ov_ros"))

ARGUMENTS = {
    "data": (None, "KITTI folder: the object set, a split, a raw drive or any folder of .bin clouds"),
    "model": ("", "folder of the model bundle; empty: the one in the box"),
    "out": ("demo_output", "folder for the picture and the bag"),
    "rate": ("10.0", "clouds a second, at most"),
    "mode": ("latency", "latency, balanced or throughput"),
    "device": ("CPU", "OpenVINO device of both networks"),
    "crop_to_image": ("true", "publish only what the camera sees (needs calibration)"),
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


def start_nodes(context: LaunchContext) -> list[object]:
    """Make the three nodes and the recorder, at whose end everything ends."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    detector = {
        "model_dir": given["model"],
        "drop_policy": "replay",
        "mode": given["mode"],
        "pfe_device": given["device"],
        "rpn_device": given["device"],
    }
    player = {
        "data_dir": given["data"],
        "rate": float(given["rate"]),
        "crop_to_image": given["crop_to_image"] == "true",
        "wait_for_subscribers": 2,
        # One more than the mode has frames in flight.
        "max_outstanding": {"latency": 2, "balanced": 3}.get(given["mode"], 4),
    }
    # Not as a Node: the tool is none, and takes no --ros-args.
    tool = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_ov"
    inputs = ["--data", given["data"], "--out", given["out"]]
    if given["model"]:
        inputs += ["--model", given["model"]]
    recorder = ExecuteProcess(cmd=[str(tool), "demo", "--attach", *inputs], output="screen")
    return [
        _node("pointpillars_detector", detector),
        _node("pointpillars_diagnostics", {}),
        _node("kitti_player", player),
        recorder,
        RegisterEventHandler(OnProcessExit(target_action=recorder, on_exit=[EmitEvent(event=Shutdown())])),
    ]


def _node(executable: str, parameters: dict[str, object]) -> Node:
    return Node(package="pointpillars_ov_ros", executable=executable, parameters=[parameters], output="screen")
