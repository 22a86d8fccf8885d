# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnostics node: what the timing topic says of the detector, in /diagnostics."""
