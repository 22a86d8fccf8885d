# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tries to break the nodes; `python -m test.torture` runs all of it, the tests beside it a short version."""
