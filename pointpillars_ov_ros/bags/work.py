# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One input of many: what a worker does, and how often it is tried."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.bags.detect import detect_bag, open_engine
from pointpillars_ov_ros.config.errors import InferenceError, PointPillarsError
from pointpillars_ov_ros.inference.engine import Engine

DONE, FAILED = "done", "failed"


class Job(NamedTuple):
    """An input, and the bag that comes of it."""

    name: str
    source: Path
    out: Path

    @property
    def is_done(self) -> bool:
        """Tell whether its bag is there, which it is when it is whole."""
        return (self.out / "metadata.yaml").is_file()


class Report(NamedTuple):
    """What became of a job."""

    state: str
    reason: str = ""
    """Why it failed."""
    clouds: int = 0
    detected: int = 0
    refused: int = 0
    replayed: int = 0
    """Clouds that an earlier attempt had seen to."""
    boxes: int = 0
    wall_s: float = 0.0
    core_s: float = 0.0
    attempts: int = 1
    is_worth_another: bool = False
    """Another attempt may succeed."""


Work = Callable[[Iterable[Job]], Iterator[tuple[Job, Report]]]
Workers = AbstractContextManager[tuple[str, Work]]
"""Workers that are ready: what they are, in words, and what has them do jobs, in any order."""


def detect_one(job: Job, engine: Engine, options: argparse.Namespace) -> Report:
    """Do a job."""
    if job.is_done:
        # By a worker that was lost before it could say so.
        return Report(DONE, "its bag was there")
    try:
        tally = detect_bag(job.source, job.out, engine, options, show=False)
    except (PointPillarsError, OSError) as error:
        return Report(FAILED, str(error), is_worth_another=isinstance(error, InferenceError | OSError))
    return Report(
        DONE,
        clouds=tally.clouds,
        detected=tally.detected,
        refused=sum(tally.refused.values()),
        replayed=tally.replayed,
        boxes=tally.boxes,
        wall_s=round(tally.wall_s, 3),
        core_s=round(tally.core_s, 3),
    )


@contextmanager
def local_workers(options: argparse.Namespace) -> Iterator[tuple[str, Work]]:
    """Work in this process, with one engine."""
    engine = open_engine(options)

    def work(jobs: Iterable[Job]) -> Iterator[tuple[Job, Report]]:
        for job in jobs:
            for attempt in range(1, options.attempts + 1):
                report = detect_one(job, engine, options)._replace(attempts=attempt)
                if not report.is_worth_another:
                    break
            yield job, report

    yield "this process", work
