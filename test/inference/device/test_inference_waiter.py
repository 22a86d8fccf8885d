# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that wait for inferences: told once, also of failures, gone with their owner, and nothing kept alive."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from pointpillars_ov_ros.inference.device.network import InferenceWaiter

PATIENCE_S = 30.0


def waiters() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "pointpillars-waiter"}


def wait_until_gone(reference: weakref.ref[object] | threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while reference.is_alive() if isinstance(reference, threading.Thread) else reference() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Inference:
    """Ends when told to."""

    def __init__(self, fails: bool = False) -> None:
        self.ended = threading.Event()
        self._fails = fails

    def wait(self) -> None:
        assert self.ended.wait(PATIENCE_S)
        if self._fails:
            raise RuntimeError("failed")


@pytest.mark.parametrize("fails", [False, True])
def test_it_tells_after_the_last_has_ended_or_failed(fails: bool) -> None:
    waiter, told = InferenceWaiter(), threading.Event()
    first, second = Inference(fails), Inference()
    waiter.call_after([first.wait, second.wait], told.set)
    second.ended.set()
    assert not told.is_set()
    first.ended.set()
    assert told.wait(PATIENCE_S)


def test_one_after_the_other_in_the_order_of_their_starts() -> None:
    waiter, said, all_said = InferenceWaiter(), [], threading.Event()
    inferences = [Inference() for _ in range(20)]
    for number, inference in enumerate(inferences):
        waiter.call_after([inference.wait], lambda number=number: said.append(number))  # type: ignore[misc]
    waiter.call_after([], all_said.set)
    for inference in reversed(inferences):
        inference.ended.set()
    assert all_said.wait(PATIENCE_S)
    assert said == list(range(20))


def test_what_has_ended_is_not_kept_and_the_thread_ends_with_its_owner() -> None:
    before = waiters()
    waiter, told, inference = InferenceWaiter(), threading.Event(), Inference()
    assert waiters() == before, "a thread before there is anything to wait for"
    inference.ended.set()
    waiter.call_after([inference.wait], told.set)
    assert told.wait(PATIENCE_S)
    (thread,) = waiters() - before
    kept = weakref.ref(inference)
    del inference
    gc.collect()
    wait_until_gone(kept)
    del waiter
    gc.collect()
    wait_until_gone(thread)
