# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag through the detector, in the bag's time, and shows it in RViz; every cloud is processed."""

import os
from pathlib import Path

from launch.actions import ExecuteProcess, IncludeLaunchDescription, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.event_handlers import OnStateTransition

from launch import LaunchContext, LaunchDescription
from pointpillars_ov_ros.ros.launching import Argument, declare, ends_all, number, package_share, rehearsal, switch

CLOCK_HZ = "100"
DELAY_S = "2"
"""Delay before the first cloud, so that the detector has found the player and requests the QoS that it offers."""

ARGUMENTS = {
    "bag": Argument(None, "folder or file of the bag"),
    "rate": Argument("1.0", "playback speed, 1 is that of the recording"),
    "loop": switch(False, "start again after the end"),
    "drop_policy": Argument("replay", "replay: every cloud is processed; live: as on the robot", ("replay", "live")),
    "use_sim_time": switch(True, "take the time from the bag"),
    "rviz": switch(True, "also start RViz"),
}


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
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
    """Play when the detector is active: clouds that arrive while its networks are compiled would be missed."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    given["bag"] = os.path.expanduser(given["bag"])
    number("rate", given["rate"], 0.0)
    package_share("ros2bag", "playing a bag")
    said = LogInfo(msg="the bag has ended; press Ctrl-C to end the nodes")
    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", given["bag"], "--clock", CLOCK_HZ, "--rate", given["rate"], "--delay", DELAY_S]
        + ["--loop"] * (given["loop"] == "true"),
        output="screen",
        on_exit=ends_all("ros2 bag play", on_success=[said]),
    )
    # Once: a detector that is activated again finds the bag playing.
    return [RegisterEventHandler(OnStateTransition(goal_state="active", entities=[player], handle_once=True))]
