# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of a run, step by step, made by worker processes while the network trains."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from typing import Any, TypeVar

from pointpillars_ov_ros.config.errors import TrainingError
from pointpillars_ov_ros.training.augmentation import Bank, make_bank
from pointpillars_ov_ros.training.samples import Sample, SampleMaker, bank_seeds
from pointpillars_ov_ros.training.scenes import LabelledScene, SceneSource
from pointpillars_ov_ros.training.settings import TrainingSettings

T = TypeVar("T")

_make: Callable[[int], object]
"""Function that a worker process applies to a number."""


def feed_samples(maker: SampleMaker, first_step: int, workers: int) -> Generator[list[Sample], None, None]:
    """Yield the batches from `first_step` on, endlessly; they do not depend on the number of `workers`.

    `batch` scenes are used together, for `samples_per_scene` batches with one sample of each. Without workers, samples
    are made on demand. Raises TrainingError if a worker dies.
    """
    batch, uses = maker.settings.batch, maker.settings.samples_per_scene
    block = first_step // uses
    made = _map(maker.make, count(block * batch), workers, batch + workers)
    for step in count(first_step):
        if step == first_step or step % uses == 0:
            scenes = [next(made) for _ in range(batch)]
        yield [samples[step % uses] for samples in scenes]


def fill_bank(source: SceneSource, settings: TrainingSettings, classes: int, workers: int) -> Bank:
    """Make the bank of objects to paste; empty if nothing is pasted."""
    if not any(settings.augmentation.paste):
        return ()
    scenes: Iterator[LabelledScene] = _map(source.scene, iter(bank_seeds(settings)), workers, 2 * workers)
    return make_bank(scenes, classes)


def _map(make: Callable[[int], T], numbers: Iterator[int], workers: int, ahead: int) -> Iterator[T]:
    """Yield what `make` makes of `numbers`, in order; with workers, up to `ahead` items in advance."""
    if not workers:
        yield from map(make, numbers)
        return
    # Spawned: a fork would copy the locks of torch's and numba's threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start, (make,))
    waiting: deque[Future[Any]] = deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(_work, number))
            if len(waiting) > ahead:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise TrainingError(f"a process that makes samples died ({error}); --workers 0 shows the cause") from None


def _start(make: Callable[[int], object]) -> None:
    """Initialize a worker process."""
    global _make
    _make = make
    # The parent, which saves first, ends the worker. If the parent is killed, nobody would end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Wait for the end of the parent process, then exit at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(number: int) -> object:
    return _make(number)
