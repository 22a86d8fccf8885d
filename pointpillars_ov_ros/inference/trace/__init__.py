# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Traces of a pipeline, for Perfetto: written and read."""
