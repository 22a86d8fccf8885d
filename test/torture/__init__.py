# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stress tests of the nodes; `python -m test.torture` runs all of them, the tests beside it a short version."""
