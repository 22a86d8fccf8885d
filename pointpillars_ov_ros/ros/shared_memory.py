# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What Fast DDS leaves in /dev/shm where a process is killed: 35 MB each time, and crash loops fill the memory."""

from __future__ import annotations

import fcntl
import re
import time
from pathlib import Path

SEGMENTS = Path("/dev/shm")
_NAME = re.compile("fastrtps_[0-9a-f]{16}")
_OLD_S = 10.0
"""A participant makes a segment first, and locks it a moment later."""


def remove_dead_segments(folder: Path = SEGMENTS) -> int:
    """Remove the segments of participants that are gone; gives how many bytes that were.

    A participant holds a lock on the file beside its segment for as long as it lives. What others have mapped of it
    stays with them. Those of other users stay, too.
    """
    freed = 0
    for lock in folder.glob("fastrtps_*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        try:
            if _NAME.fullmatch(segment.name) and time.time() - segment.stat().st_ctime > _OLD_S and _is_free(lock):
                size = segment.stat().st_size
                segment.unlink()
                lock.unlink()
                freed += size
        except OSError:
            # Somebody else's, or gone already.
            continue
    return freed


def _is_free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
