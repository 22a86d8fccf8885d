# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of the scenes: functions that draw a shape from random numbers.

x forward, y left, z up from the ground, metres; `assemble` then moves the origin to the centre.
"""
