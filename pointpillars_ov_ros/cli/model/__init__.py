# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands for model bundles: convert, inspect, parity, quantize and sign."""
