# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening of untrusted paths: a pipe or a device under that name must not block the process for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; OSError if it is a pipe, a socket, a device or a folder.

    Links are followed: an installation by `colcon build --symlink-install` consists of them.
    """
    return os.fdopen(_open(path, os.O_RDONLY), "rb")


def create_regular(path: Path) -> BinaryIO:
    """Open a file for writing from its start, creating it if needed; raises OSError as `open_regular` does."""
    return os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT), "wb")


def read_regular(path: Path, most_bytes: int = -1) -> bytes:
    """Read a file, or its first `most_bytes` unless negative; raises OSError as `open_regular` does."""
    with open_regular(path) as stream:
        return stream.read(most_bytes)


def _open(path: Path, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe waits for a process at its other end and ignores signals.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        os.set_blocking(descriptor, True)
        if flags & os.O_WRONLY:
            os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
