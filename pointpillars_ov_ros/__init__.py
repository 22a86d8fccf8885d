# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointPillars on OpenVINO for ROS 2: LiDAR clouds in, 3D boxes out."""

__version__ = "0.1.0"
