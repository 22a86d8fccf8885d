# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointPillars on OpenVINO for ROS 2: LiDAR clouds in, 3D boxes out."""

from pointpillars_ov_ros.config.kernel_cache import choose_kernel_cache

__version__ = "0.1.0"

# Before anything imports numba, which looks for its folder then.
choose_kernel_cache()
