# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests; a package, so that they can share `reference` and `builders` by relative import."""
