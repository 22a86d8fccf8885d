# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the detector and its diagnostics on a cloud topic, and RViz if requested."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.dds import readable_variables, with_profile
from pointpillars_ov_ros.ros.launching import (
    Argument,
    declare,
    enclave,
    ends_all,
    existing_file,
    package_share,
    switch,
)

SHARE = Path(get_package_share_directory("pointpillars_ov_ros"))
RESPAWN_DELAY_S = 2.0

ARGUMENTS = {
    "namespace": Argument("", "namespace of the nodes and of every relative topic: one per LiDAR"),
    "points": Argument("velodyne_points", "topic of the clouds (sensor_msgs/PointCloud2)"),
    "detections": Argument("detections", "topic of the detections (vision_msgs/Detection3DArray)"),
    "markers": Argument("markers", "topic of the markers for RViz (visualization_msgs/MarkerArray)"),
    "machine": Argument("cpu", "parameters of a machine type, config/NAME.yaml", ("cpu", "igpu", "auto", "low_power")),
    "params_file": Argument("", "file with further parameters of the nodes, which override those of machine"),
    "model": Argument("", "folder of the model bundle; empty: the one in params_file, else the bundled model"),
    "device": Argument("", "OpenVINO device of both networks, e.g. CPU, GPU, AUTO:GPU,CPU; empty: as in the files"),
    "mode": Argument("", "pipeline mode; empty: as in the files", ("", "latency", "balanced", "throughput")),
    "drop_policy": Argument("", "live: newest cloud first, replay: every cloud; empty: as in the files",
                            ("", "live", "replay")),
    "input_reliability": Argument("", "reliability of the cloud subscription; auto follows the publishers; empty: as "
                                  "in the files, else auto", ("", "auto", "best_effort", "reliable")),
    "autostart": switch(True, "configure and activate at start; false: leave that to a lifecycle manager"),
    "respawn": switch(False, f"restart a node that died, after {RESPAWN_DELAY_S:g} s"),
    "use_sim_time": switch(False, "use the time from /clock"),
    "rviz": switch(False, "also start RViz"),
    "fixed_frame": Argument("velodyne", "fixed frame of RViz; without TF, the frame of the clouds"),
    "log_level": Argument("info", "log level of the nodes", ("debug", "info", "warn", "error", "fatal")),
}  # fmt: skip


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
    profile = with_profile(os.environ, SHARE)
    return LaunchDescription(
        [
            *declare(ARGUMENTS),
            *(SetEnvironmentVariable(name, profile[name]) for name in readable_variables(os.environ)),
            OpaqueFunction(function=start_nodes),
        ]
    )


def start_nodes(context: LaunchContext) -> list[Node]:
    """Return the nodes."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    clock = {"use_sim_time": given["use_sim_time"] == "true"}
    files = [str(SHARE / "config" / f"{given['machine']}.yaml")]
    if given["params_file"]:
        files.append(existing_file("params_file", given["params_file"]))
    common = {
        "package": "pointpillars_ov_ros",
        "namespace": given["namespace"],
        "output": "screen",
        "respawn": given["respawn"] == "true",
        "respawn_delay": RESPAWN_DELAY_S,
    }

    def ros_arguments(node: str) -> list[str]:
        return ["--log-level", given["log_level"], *enclave(given["namespace"], node)]

    detector = LifecycleNode(
        name="pointpillars_detector",
        executable="pointpillars_detector",
        parameters=[*files, {**detector_parameters(given), **clock}],
        remappings=[(name, given[name]) for name in ("points", "detections", "markers")],
        ros_arguments=ros_arguments("pointpillars_detector"),
        on_exit=None if common["respawn"] else ends_all("pointpillars_detector"),
        **common,
    )
    diagnostics = Node(
        executable="pointpillars_diagnostics",
        parameters=[*files, clock],
        ros_arguments=ros_arguments("pointpillars_diagnostics"),
        **common,
    )
    return [detector, diagnostics, *([rviz(given, clock)] if given["rviz"] == "true" else [])]


def detector_parameters(given: dict[str, str]) -> dict[str, object]:
    """Return the parameters set by the arguments; an empty argument leaves the value of the files unchanged."""
    values = {
        "model_dir": given["model"],
        "pfe_device": given["device"],
        "rpn_device": given["device"],
        "mode": given["mode"],
        "drop_policy": given["drop_policy"],
        "input_reliability": given["input_reliability"],
    }
    said = {name: value for name, value in values.items() if value}
    # True is the node's own default, which a file may have changed.
    return {**said, "autostart": False} if given["autostart"] == "false" else said


def rviz(given: dict[str, str], clock: dict[str, bool]) -> Node:
    """Return RViz; ConfigError if it is not installed."""
    package_share("rviz2", "rviz:=true")
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", str(SHARE / "config" / "pointpillars.rviz"), "-f", given["fixed_frame"]],
        parameters=[clock],
        # The topics in the RViz file are absolute, so that it can also be used without this launch file.
        remappings=[(f"/{name}", given[name]) for name in ("points", "detections", "markers")],
        output="log",
    )
