# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO's GPU plugin, on a machine that needs no GPU: an OpenCL device made of the CPU."""
