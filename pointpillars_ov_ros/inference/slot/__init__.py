# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resources of one frame in flight, its processing steps, and the encoders."""
