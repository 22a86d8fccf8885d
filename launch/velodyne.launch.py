# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a Velodyne's driver, the node that converts its packets to clouds, and the detector."""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.launching import Argument, declare, number, package_share, rehearsal, switch

SHARE = Path(get_package_share_directory("pointpillars_ov_ros"))

ARGUMENTS = {
    "driver": switch(True, "start velodyne_driver and velodyne_pointcloud; false: they are already running"),
    "lidar": Argument("VLP16", "model of the LiDAR", ("VLP16", "VLP32C", "VLS128")),
    "lidar_ip": Argument("192.168.1.201", "address that packets are accepted from; empty: any"),
    "lidar_port": Argument("2368", "UDP port for the packets; a different one for each LiDAR"),
    "frame_id": Argument("velodyne", "frame of the clouds; for RViz see fixed_frame"),
    "params_file": Argument(
        str(SHARE / "config" / "velodyne.yaml"), "file with further parameters of the nodes, which override machine's"
    ),
}


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
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
    """Return the driver's nodes, unless they are already running; ConfigError if they are not installed."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given["driver"] == "false":
        return []
    port = int(number("lidar_port", given["lidar_port"], 0, 65535))
    address = {"device_ip": given["lidar_ip"], "port": port, "frame_id": given["frame_id"]}
    packets = driver_parameters("velodyne_driver", "velodyne_driver_node", given["lidar"])
    clouds = driver_parameters("velodyne_pointcloud", "velodyne_transform_node", given["lidar"])
    # Given here because the driver's own file names them without the folder.
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
    """Return the driver package's parameters for a LiDAR: its file is for one node without a namespace."""
    path = package_share(package, "driver:=true") / "config" / f"{lidar}-{node}-params.yaml"
    parameters: dict[str, object] = yaml.safe_load(path.read_text())[node]["ros__parameters"]
    return parameters
