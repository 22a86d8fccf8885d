# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ray workers, on this machine or a cluster: each with one engine and its own threads."""

from __future__ import annotations

import importlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pointpillars_ov_ros.bags.detect import BagOptions, open_engine
from pointpillars_ov_ros.bags.detect_many import FAILED, BagJob, JobReport, Work, detect_one
from pointpillars_ov_ros.config.errors import PointPillarsError

_OBJECTS = 100 * 2**20
"""Size of Ray's object store (bytes), about the minimum that Ray accepts."""


class RayWorker:
    """Actor that runs in a process of Ray."""

    def __init__(self, options: BagOptions) -> None:
        """Load and compile the model."""
        self._options, self._engine = options, open_engine(options)

    def is_ready(self) -> bool:
        """Whether the engine is ready."""
        return True

    def detect(self, job: BagJob) -> JobReport:
        """Do a job."""
        return detect_one(job, self._engine, self._options)


@contextmanager
def ray_workers(
    options: BagOptions, attempts: int, count: int, address: str | None = None
) -> Iterator[tuple[str, Work]]:
    """Start `count` workers, and wait until each has its engine.

    `address` is that of a cluster; None: Ray is started here. Unless the options set the threads, cores are shared out
    evenly. Raises PointPillarsError if Ray or a worker cannot start.
    """
    # By name, so that type checking gives the same result with and without Ray.
    ray: Any = importlib.import_module("ray")
    threads = options.runtime.num_threads or max(1, len(os.sched_getaffinity(0)) // count)
    model = options.model.resolve() if options.model else None
    own = replace(options, model=model, runtime=replace(options.runtime, num_threads=threads))
    # Otherwise Ray reports its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Jobs and reports are small: hardly any memory is set aside for objects.
    here = {} if address else {"num_cpus": threads * count, "object_store_memory": _OBJECTS}
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="ERROR", **here)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise PointPillarsError(f"Ray cannot be started ({str(error).splitlines()[0]})") from None
    make = ray.remote(num_cpus=threads)(RayWorker).remote
    try:
        workers = [make(own) for _ in range(count)]
        try:
            ray.get([worker.is_ready.remote() for worker in workers])
        except ray.exceptions.RayError as error:
            raise PointPillarsError(f"a worker cannot start ({_last_line(error)})") from None

        def work(jobs: Iterable[BagJob]) -> Iterator[tuple[BagJob, JobReport]]:
            yield from _share_out(ray, jobs, workers, lambda: make(own), attempts)

        yield f"{count} Ray workers, {threads} threads each", work
    finally:
        ray.shutdown()


def _share_out(
    ray: Any, jobs: Iterable[BagJob], workers: list[Any], replacement: Any, attempts: int
) -> Iterator[tuple[BagJob, JobReport]]:
    """Yield the reports of the jobs: idle workers get the next job, dead ones are replaced, their jobs retried."""
    waiting, idle = deque((job, 1) for job in jobs), list(workers)
    running: dict[Any, tuple[Any, BagJob, int]] = {}
    while waiting or running:
        while waiting and idle:
            worker, (job, attempt) = idle.pop(), waiting.popleft()
            running[worker.detect.remote(job)] = (worker, job, attempt)
        (done,), _ = ray.wait(list(running), num_returns=1)
        worker, job, attempt = running.pop(done)
        try:
            report = ray.get(done)
        except ray.exceptions.RayError as error:
            report = JobReport(FAILED, f"its worker was lost ({_last_line(error)})", is_worth_another=True)
            ray.kill(worker)
            worker = replacement()
        idle.append(worker)
        if report.is_worth_another and attempt < attempts:
            waiting.append((job, attempt + 1))
        else:
            yield job, report._replace(attempts=attempt)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
