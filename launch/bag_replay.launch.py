# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag through the detector, on the bag's own time, and shows it in RViz: every cloud, none dropped."""

import os
from pathlib import Path

from launch.actions import ExecuteProcess, IncludeLaunchDescription, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.event_handlers import OnStateTransition

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.launching import Argument, declare, ends_all, package_share, rehearsal, switch

CLOCK_HZ = "100"
DELAY_S = "2"
"""Before the first cloud, so that the detector has found the player, and asks for what it offers."""

ARGUMENTS = {
    "bag": Argument(None, "folder or file of the bag"),
    "rate": Argument("1.0", "speed, 1 is that of the recording"),
    "loop": switch(False, "begin again after the end"),
    "drop_policy": Argument("replay", "replay: every cloud is processed; live: as on the robot", ("replay", "live")),
    "use_sim_time": switch(True, "take the time from the bag"),
    "rviz": switch(True, "start RViz, too"),
}


def generate_launch_description() -> LaunchDescription:
    """Say what is launched."""
    detector = PythonLaunchDescriptionSource(str(Path(__file__).with_name("detector.launch.py")))
    return LaunchDescription(
        [
            *declare(ARGUMENTS),
            OpaqueFunction(function=rehearsal(play_once_active)),
            IncludeLaunchDescription(detector),
            OpaqueFunction(function=play_once_active),
        ]
    )


def play_once_active(context: LaunchContext) -> list[RegisterEventHandler]:
    """Play when the detector is active: what comes while its networks are compiled would be missed."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    given["bag"] = os.path.expanduser(given["bag"])
    package_share("ros2bag", "playing a bag")
    said = LogInfo(msg="the bag is at its end; Ctrl-C ends the nodes")
    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", given["bag"], "--clock", CLOCK_HZ, "--rate", given["rate"], "--delay", DELAY_S]
        + ["--loop"] * (given["loop"] == "true"),
        output="screen",
        on_exit=ends_all("ros2 bag play", on_success=[said]),
    )
    # Once: a detector that is activated anew finds the bag playing.
    return [RegisterEventHandler(OnStateTransition(goal_state="active", entities=[player], handle_once=True))]
