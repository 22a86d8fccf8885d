# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that run on the GPU plugin, in a process of their own: see test/gpu/test_gpu_plugin.py."""
