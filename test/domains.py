# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains for tests: each user of DDS gets one that no other does, loopback only."""

from __future__ import annotations

import os
from itertools import count

_FIRST, _NUMBER = 2, 99
"""Domain 0 is a robot's. From 102 on the ports are those that Linux gives to anybody's sockets."""
_counter = count(os.getpid() * 37)


def next_domain() -> str:
    """Give the next one.

    Another than before, since what a killed process leaves in shared memory may hold up the others of its domain.
    """
    return str(_FIRST + next(_counter) % _NUMBER)
