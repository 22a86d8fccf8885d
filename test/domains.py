# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains for tests: each user of DDS gets one that nobody else on this machine uses, on the loopback only."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_DOMAINS = range(2, 102)
"""Domain 0 is a robot's. From 102 on, the ports are those that Linux assigns to any socket."""
_LOCKS = Path(tempfile.gettempdir()) / "pointpillars_ov_domains"
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_turn = count(_WORKER * 37)
"""Workers of pytest-xdist begin far from each other, so that none takes what another has just left."""


@contextmanager
def own_domain() -> Iterator[str]:
    """Yield the number of a domain that nobody else uses meanwhile.

    Domains are not reused as long as there are others: shared memory left by a killed process may block other processes
    of its domain.
    """
    _LOCKS.mkdir(exist_ok=True)
    while True:
        number = _DOMAINS[next(_turn) % len(_DOMAINS)]
        with (_LOCKS / str(number)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is_somebody_in(number):
                continue
            yield str(number)
            return


def _is_somebody_in(domain: int) -> bool:
    """Whether the domain has a participant that does not use these locks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Where the first one of a domain listens, by the DDS specification.
            probe.bind(("", 7410 + 250 * domain))
        except OSError:
            return True
    return False
