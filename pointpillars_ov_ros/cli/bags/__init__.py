# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands for bags: detect_bag, detect_bags and kitti_to_bag."""
