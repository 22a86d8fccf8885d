# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults put into the package on purpose, each with the test that must notice it."""
