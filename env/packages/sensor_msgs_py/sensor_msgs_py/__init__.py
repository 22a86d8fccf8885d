# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for sensor_msgs_py where the platform has none: the part of point_cloud2 that is used here."""
