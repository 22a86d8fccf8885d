# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the nodes and of what they convert, without processes of their own."""
