# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of bundles to INT8 with NNCF."""
