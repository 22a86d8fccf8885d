# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keeps the documentation true: generated pages, commands that are run, links, recordings. Not installed."""
