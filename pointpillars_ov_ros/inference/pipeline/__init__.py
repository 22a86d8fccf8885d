# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in flight: the loop of the host thread, the scheduler, the queue and the order of results."""
