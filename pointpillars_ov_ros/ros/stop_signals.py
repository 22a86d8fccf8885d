# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM, heard at any moment of a node's life: while it still loads, too."""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
_START_GRACE_S = 0.7
"""How long a start may still take after a signal, before the process ends in the middle of it."""


class StopSignals:
    """Blocks the signals in every thread made from now on, and waits for them on a thread of its own.

    No handler is ever run: of several OpenVINO cores, the last to go may leave the main thread with a signal stack
    (sigaltstack) that is unmapped already, on which any handler would crash. And a handler of Python's would not run
    while the main thread is inside of OpenVINO or LLVM, which takes seconds at a first start.
    """

    def __init__(self) -> None:
        """Begin to listen; to be made before anything that starts threads is imported."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        self._received, self._started = threading.Event(), threading.Event()
        self._wake: weakref.WeakMethod[Callable[[], object]] | None = None
        threading.Thread(target=self._listen, name="pointpillars-signals", daemon=True).start()

    @property
    def received(self) -> bool:
        """Whether the process is to end."""
        return self._received.is_set()

    def start_finished(self, wake: Callable[[], object]) -> None:
        """Leave the end to the caller from now on, who looks at `received` when the method `wake` was called.

        It is called on another thread, and not kept alive: with an executor a node would be, and its DDS participant.
        """
        self._wake = weakref.WeakMethod(wake)
        self._started.set()

    def _listen(self) -> None:
        signal.sigwait(STOP_SIGNALS)
        self._received.set()
        if not self._started.wait(_START_GRACE_S):
            # Nothing is under way that anybody waits for; to unwind the start would take as long as it does.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        wake = self._wake() if self._wake is not None else None
        if wake is not None:
            wake()
