# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS library below the nodes: conversions, messages, QoS, DDS, parameters, the runner."""
