# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated spinning LiDAR, and a drive through a world with ground truth."""
