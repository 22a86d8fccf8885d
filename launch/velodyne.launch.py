# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a Velodyne's driver, the node that makes clouds of its packets, and the detector on these clouds."""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.launching import Argument, declare, package_share, rehearsal, switch

SHARE = Path(get_package_share_directory("pointpillars_ov_ros"))

ARGUMENTS = {
    "driver": switch(True, "start velodyne_driver and velodyne_pointcloud; false: they run already"),
    "lidar": Argument("VLP16", "whose packets they are", ("VLP16", "VLP32C", "VLS128")),
    "lidar_ip": Argument("192.168.1.201", "address that packets are taken from; empty: from any"),
    "lidar_port": Argument("2368", "UDP port that packets come to; another one for each LiDAR"),
    "frame_id": Argument("velodyne", "frame of the clouds; RViz has fixed_frame"),
    "params_file": Argument(
        str(SHARE / "config" / "velodyne.yaml"), "file with further parameters of the nodes, which win over machine's"
    ),
}


def generate_launch_description() -> LaunchDescription:
    """Say what is launched."""
    detector = PythonLaunchDescriptionSource(str(Path(__file__).with_name("detector.launch.py")))
    return LaunchDescription(
        [
            *declare(ARGUMENTS),
            OpaqueFunction(function=rehearsal(start_drivers)),
            # Before the drivers, which need the DDS profile that it sets, too.
            IncludeLaunchDescription(detector),
            OpaqueFunction(function=start_drivers),
        ]
    )


def start_drivers(context: LaunchContext) -> list[Node]:
    """Make the driver's nodes, unless they run already; ConfigError where they are not installed."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given["driver"] == "false":
        return []
    address = {"device_ip": given["lidar_ip"], "port": int(given["lidar_port"]), "frame_id": given["frame_id"]}
    packets = driver_parameters("velodyne_driver", "velodyne_driver_node", given["lidar"])
    clouds = driver_parameters("velodyne_pointcloud", "velodyne_transform_node", given["lidar"])
    # Which its own file names without the folder.
    calibration = package_share("velodyne_pointcloud", "driver:=true") / "params" / str(clouds["calibration"])
    common = {"namespace": LaunchConfiguration("namespace"), "output": "screen"}
    return [
        Node(
            package="velodyne_driver",
            executable="velodyne_driver_node",
            parameters=[{**packets, **address}],
            **common,
        ),
        Node(
            package="velodyne_pointcloud",
            executable="velodyne_transform_node",
            parameters=[{**clouds, "calibration": str(calibration)}],
            remappings=[("velodyne_points", LaunchConfiguration("points"))],
            **common,
        ),
    ]


def driver_parameters(package: str, node: str, lidar: str) -> dict[str, object]:
    """Read the parameters that the driver's package has for a LiDAR: its file is for one node without a namespace."""
    path = package_share(package, "driver:=true") / "config" / f"{lidar}-{node}-params.yaml"
    parameters: dict[str, object] = yaml.safe_load(path.read_text())[node]["ros__parameters"]
    return parameters
