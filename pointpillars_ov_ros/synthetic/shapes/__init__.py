# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands, drives and walks in the scenes: functions that draw a shape from dice.

x forward, y left, z up from the ground, metres; `assemble` then moves the origin to the centre.
"""
