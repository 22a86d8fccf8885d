# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is done to the package that no robot should have to stand: bad bytes, and more of that kind."""
