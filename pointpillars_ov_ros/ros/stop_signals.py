# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM, handled at any time in a node's life, also while it is still loading."""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
_START_GRACE_S = 0.7
"""How long a start may continue after a signal before the process ends in the middle of it."""


class StopSignals:
    """Blocks the signals in every thread created from now on, and waits for them on a thread of its own.

    No signal handler ever runs. With several OpenVINO cores, the last to be freed may leave the main thread with a
    signal stack (sigaltstack) that is already unmapped, on which any handler would crash. And a Python handler would
    not run while the main thread is inside OpenVINO or LLVM, which takes seconds at a first start.
    """

    def __init__(self) -> None:
        """Start listening; create this before importing anything that starts threads."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        self._received, self._started = threading.Event(), threading.Event()
        self._wake: weakref.WeakMethod[Callable[[], object]] | None = None
        threading.Thread(target=self._listen, name="pointpillars-signals", daemon=True).start()

    @property
    def received(self) -> bool:
        """Whether the process should end."""
        return self._received.is_set()

    def start_finished(self, wake: Callable[[], object]) -> None:
        """Let the caller handle the end from now on; it checks `received` when its method `wake` is called.

        `wake` is called on another thread, and its object is not kept alive: an executor would keep a node, and its DDS
        participant, alive.
        """
        self._wake = weakref.WeakMethod(wake)
        self._started.set()

    def _listen(self) -> None:
        signal.sigwait(STOP_SIGNALS)
        self._received.set()
        if not self._started.wait(_START_GRACE_S):
            # Nobody waits for any work in progress, and unwinding the start would take as long as the start.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        wake = self._wake() if self._wake is not None else None
        if wake is not None:
            wake()
