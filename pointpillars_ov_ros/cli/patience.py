# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages shown if something takes long the first time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

PATIENCE_S = 4.0
FIRST_TIME = "the first time, kernels are compiled for this machine, which takes about 10 seconds"


def say(text: str) -> None:
    """Print a line on stderr, above a progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)


@contextmanager
def said_if_slow(text: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Print `text` if the body of this context takes longer than `patience_s`."""
    timer = threading.Timer(patience_s, say, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
