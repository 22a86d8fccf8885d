# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a KITTI folder through the detector and leaves a picture, a bag and tables, as `make demo` does."""

from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch.actions import EmitEvent, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.launching import Argument, declare, enclave, rehearsal, switch

ARGUMENTS = {
    "data": Argument(None, "KITTI folder: the object set, a split, a raw drive or any folder of .bin clouds"),
    "out": Argument("demo_output", "folder for the picture and the bag"),
    "rate": Argument("10.0", "clouds a second, at most"),
    "crop_to_image": switch(True, "publish only what the camera sees (needs calibration)"),
    "model": Argument("", "folder of the model bundle; empty: the one in the box"),
    "mode": Argument("latency", "pipeline mode", ("latency", "balanced", "throughput")),
    # What the recorder listens to, and every cloud gets its result.
    "namespace": Argument("", "none in this demo", ("",)),
    "points": Argument("points", "topic of the clouds, in this demo", ("points",)),
    "drop_policy": Argument("replay", "in this demo", ("replay",)),
}


def generate_launch_description() -> LaunchDescription:
    """Say what is launched."""
    detector = PythonLaunchDescriptionSource(str(Path(__file__).with_name("detector.launch.py")))
    return LaunchDescription(
        [
            *declare(ARGUMENTS),
            OpaqueFunction(function=rehearsal(start_player_and_recorder)),
            IncludeLaunchDescription(detector),
            OpaqueFunction(function=start_player_and_recorder),
        ]
    )


def start_player_and_recorder(context: LaunchContext) -> list[object]:
    """Make the player and the recorder, at whose end everything ends."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    parameters = {
        "data_dir": given["data"],
        "rate": float(given["rate"]),
        "crop_to_image": given["crop_to_image"] == "true",
        "wait_for_subscribers": 2,
        # One more than the mode has frames in flight.
        "max_outstanding": {"latency": 2, "balanced": 3}.get(given["mode"], 4),
    }
    player = Node(
        package="pointpillars_ov_ros",
        executable="kitti_player",
        parameters=[parameters],
        ros_arguments=enclave("", "kitti_player"),
        output="screen",
    )
    # Not as a Node: the tool is none, and takes no --ros-args.
    tool = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_ov"
    inputs = ["--data", given["data"], "--out", given["out"]]
    if given["model"]:
        inputs += ["--model", given["model"]]
    recorder = ExecuteProcess(cmd=[str(tool), "demo", "--attach", *inputs], output="screen")
    return [
        player,
        recorder,
        RegisterEventHandler(OnProcessExit(target_action=recorder, on_exit=[EmitEvent(event=Shutdown())])),
    ]
