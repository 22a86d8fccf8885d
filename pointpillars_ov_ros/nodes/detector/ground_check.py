# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Says where the sensor is not as high as the network expects, and what to set then."""

from __future__ import annotations

from pointpillars_ov_ros.ros.settings import Pose

TOLERANCE = 0.25
"""What the height may be off (m) without a word. KITTI's own frames swing by 0.1 m about theirs."""


def say_ground(ground_z: float, expected_height: float, pose: Pose, frame: str) -> str:
    """Say what is wrong, and what `sensor_pose` would put it right; empty where nothing is.

    `ground_z`: of the ground in the network's frame (m); `expected_height`: of that frame's origin above the ground;
    `pose`: sensor_pose as it is; `frame`: what it is the pose of.
    """
    off = -expected_height - ground_z
    if abs(off) <= TOLERANCE:
        return ""
    x, y, z, roll, pitch, yaw = pose
    # As floats, since ROS takes no list of both integers and floats.
    better = [x, y, round(z + off, 2), roll, pitch, yaw]
    return (
        f"the ground lies {z - ground_z:.2f} m below {frame}, and the network expects it {z + expected_height:.2f} m "
        f"below: set sensor_pose to {[float(value) for value in better]}"
    )
