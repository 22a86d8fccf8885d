# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a KITTI folder through the detector and leaves a picture, a bag and tables, like `make demo`."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch.actions import ExecuteProcess, IncludeLaunchDescription, OpaqueFunction, SetLaunchConfiguration
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.model.bundle import CONFIG_NAME
from pointpillars_ov_ros.ros.launching import Argument, declare, enclave, ends_all, number, rehearsal, switch

ARGUMENTS = {
    "data": Argument(None, "KITTI folder: the object set, a split, a raw drive or any folder of .bin clouds"),
    "out": Argument("demo_output", "folder for the picture and the bag"),
    "rate": Argument("10.0", "maximum rate of the clouds (Hz)"),
    "crop_to_image": switch(True, "publish only the points that the camera sees (needs calibration)"),
    "model": Argument("", "folder of a model bundle, or of IR files to convert; empty: the bundled model"),
    "mode": Argument("latency", "pipeline mode", ("latency", "balanced", "throughput")),
    # The recorder depends on these values, and every cloud must get its result.
    "namespace": Argument("", "must be empty in this demo", ("",)),
    "points": Argument("points", "topic of the clouds, fixed in this demo", ("points",)),
    "drop_policy": Argument("replay", "fixed in this demo", ("replay",)),
}


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
    detector = PythonLaunchDescriptionSource(str(Path(__file__).with_name("detector.launch.py")))
    return LaunchDescription(
        [
            *declare(ARGUMENTS),
            OpaqueFunction(function=rehearsal(start_player_and_recorder)),
            OpaqueFunction(function=convert_model),
            IncludeLaunchDescription(detector),
            OpaqueFunction(function=start_player_and_recorder),
        ]
    )


def convert_model(context: LaunchContext) -> list[SetLaunchConfiguration]:
    """Make a bundle from a model that is not one, since the detector accepts no other, and set its path."""
    model, out = (os.path.expanduser(LaunchConfiguration(name).perform(context)) for name in ("model", "out"))
    if not model or Path(model, CONFIG_NAME).is_file():
        return []
    # Imported only for a conversion, since it takes seconds to load.
    from pointpillars_ov_ros.conversion.open_model import open_model

    bundle = open_model(Path(model), Path(out) / "bundle")
    return [SetLaunchConfiguration("model", str(bundle.folder.resolve()))]


def start_player_and_recorder(context: LaunchContext) -> list[object]:
    """Return the player and the recorder, whose end ends everything."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    given["data"], given["out"] = (os.path.expanduser(given[name]) for name in ("data", "out"))
    parameters = {
        "data_dir": given["data"],
        "rate": number("rate", given["rate"], 0.0),
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
        on_exit=ends_all("kitti_player", on_success=[]),
    )
    # Not as a Node: the tool is not one, and accepts no --ros-args.
    tool = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_ov"
    inputs = ["--data", given["data"], "--out", given["out"]]
    if given["model"]:
        inputs += ["--model", given["model"]]
    command = [str(tool), "demo", "--attach", *inputs]
    return [player, ExecuteProcess(cmd=command, output="screen", on_exit=ends_all("the recorder"))]
