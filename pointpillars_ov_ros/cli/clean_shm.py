# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov clean_shm`: free the shared memory left by killed DDS participants."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags; there are none."""
    parser.epilog = (
        "Segments of live participants are locked and stay; so do those of other users, and those younger "
        "than 10 s. Fast DDS leaves about 35 MB for every killed process."
    )


def run(options: argparse.Namespace) -> int:
    """Remove the segments of dead participants, and print how much memory that freed."""
    from pointpillars_ov_ros.ros import dds

    print(f"freed {dds.remove_dead_segments(dds.SEGMENTS) / 1e6:.0f} MB of {dds.SEGMENTS}")
    return 0
