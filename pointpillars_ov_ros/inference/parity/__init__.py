# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a device answers as the untouched networks do on CPU in float32."""
