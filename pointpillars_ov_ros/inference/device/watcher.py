# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads of our own that wait for inferences, in place of OpenVINO's callbacks.

A callback in Python costs the network its end: after the call OpenVINO's thread takes Python's lock once more, at a
time that nothing tells, and a network freed just then waits for that thread with the lock held, for ever. A thread
that waits leaves nothing behind, and hears of failed inferences, too, of which callbacks are not told.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple


class _Watch(NamedTuple):
    waits: Sequence[Callable[[], object]]
    done: Callable[[], None]


class Watcher:
    """A thread that waits for what was started last; it ends when its owner is freed."""

    def __init__(self) -> None:
        """Begin without the thread, which the first `watch` starts."""
        self._started: SimpleQueue[_Watch | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def watch(self, waits: Sequence[Callable[[], object]], done: Callable[[], None]) -> None:
        """Call each of `waits`, which return or raise when an inference has ended, and then `done`; one at a time.

        `done` is called on the thread, and must not raise.
        """
        if self._thread is None:
            # It knows the queue alone: a thread that knew its owner would keep it alive.
            self._thread = threading.Thread(
                target=_run, args=(self._started,), name="pointpillars-watcher", daemon=True
            )
            self._thread.start()
            weakref.finalize(self, self._started.put, None)
        self._started.put(_Watch(waits, done))


def _run(started: SimpleQueue[_Watch | None]) -> None:
    while (watch := started.get()) is not None:
        _see_to_its_end(watch)
        # Not kept until the next one comes: it holds the requests, and so the network.
        del watch


def _see_to_its_end(watch: _Watch) -> None:
    for wait in watch.waits:
        try:
            wait()
        except RuntimeError:
            # Failed, so ended. Whoever finishes the inference is told why.
            continue
    watch.done()
