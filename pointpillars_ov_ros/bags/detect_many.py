# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection in many bags: what is to be done, what was done, and what it cost."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tqdm import tqdm

from pointpillars_ov_ros.bags.detect import BagOptions, detect_bag, open_engine
from pointpillars_ov_ros.bags.tally import cost
from pointpillars_ov_ros.config.documents import one_line, parse_json, read_text
from pointpillars_ov_ros.config.errors import InferenceError, PointPillarsError, count_of, plain
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.engine import Engine

MANIFEST = "manifest.json"
_MOST_BYTES = 100_000_000
_WITHOUT_EFFECT = ("model_dir", "cache_dir", "inference_timeout", "num_threads", "drop_policy")
"""Settings that the outputs do not depend on, or that are the same for all of them."""
DONE, FAILED = "done", "failed"


class BagJob(NamedTuple):
    """An input, and the bag that comes of it."""

    name: str
    source: Path
    out: Path

    @property
    def is_done(self) -> bool:
        """Whether its bag is there, which it is when it is whole."""
        return (self.out / "metadata.yaml").is_file()


class JobReport(NamedTuple):
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


Work = Callable[[Iterable[BagJob]], Iterator[tuple[BagJob, JobReport]]]
Workers = AbstractContextManager[tuple[str, Work]]
"""Workers that are ready: what they are, in words, and the function that has them do jobs, in any order."""


class Manifest:
    """What became of each input, as a file that is always whole."""

    def __init__(self, path: Path, settings: dict[str, str]) -> None:
        """Read what an earlier run has left; PointPillarsError where that had other settings."""
        self.path, self.reports = path, dict[str, dict[str, Any]]()
        self._settings = settings
        if path.exists():
            try:
                stored = parse_json(read_text(path, _MOST_BYTES))
                before, self.reports = dict(stored["settings"]), dict(stored["inputs"])
                for report in self.reports.values():
                    JobReport(**{key: value for key, value in report.items() if key != "input"})
            except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
                raise PointPillarsError(f"{path}: this is no manifest of detect_bags ({one_line(error)})") from None
            for name, value in settings.items():
                if before.get(name) != value:
                    raise PointPillarsError(
                        f"{path.parent} was begun with {name} {plain(before.get(name))}, and now it is {value}: "
                        "name another folder for --out"
                    )

    def record(self, job: BagJob, report: JobReport) -> None:
        """Write down what became of an input."""
        self.reports[job.name] = {"input": str(job.source), **report._asdict()}
        content = json.dumps({"settings": self._settings, "inputs": self.reports}, indent=1) + "\n"
        write_text(self.path, content)


class ManyBags(NamedTuple):
    """What became of the inputs of one run of `detect_many`."""

    reports: dict[str, dict[str, Any]]
    """By name; see `JobReport`."""
    done_before: int
    manifest: Path

    def count(self, state: str) -> int:
        """Return how many inputs are in a state."""
        return Counter(report["state"] for report in self.reports.values())[state]


def detect_many(
    sources: list[Path], out: Path, options: BagOptions, workers: Workers, say: Callable[[str], object] = print
) -> ManyBags:
    """Detect in every input that is not done, and keep account in the manifest; `say` gets what it cost.

    `workers` (`local_workers`, `ray_workers`) are entered only where something is left to be done.
    """
    jobs = plan(sources, out)
    manifest = Manifest(out / MANIFEST, describe_settings(options))
    left = []
    for job in jobs:
        if not job.is_done:
            left.append(job)
        # A driver may be killed before it has noted what is done.
        elif manifest.reports.get(job.name, {}).get("state") != DONE:
            manifest.record(job, JobReport(DONE, "its bag was there"))
    if left:
        with TemporaryDirectory() as scratch:
            # So that a model that cannot be had is said once, and not by every worker.
            open_model(options.model, Path(scratch) / "bundle")
        _work(left, manifest, workers, say)
    reports = {job.name: manifest.reports[job.name] for job in jobs}
    return ManyBags(reports, len(jobs) - len(left), manifest.path)


def describe_settings(options: BagOptions) -> dict[str, str]:
    """Return all that the outputs depend on, by name."""
    values = to_mapping(options)
    runtime = {name: value for name, value in values.pop("runtime").items() if name not in _WITHOUT_EFFECT}
    every = {**values.pop("node"), **values, **runtime}
    return {name: str(value) for name, value in sorted(every.items())}


def plan(sources: list[Path], folder: Path) -> list[BagJob]:
    """Name every input, and its bag in `folder`; PointPillarsError where two have the same name."""
    jobs: dict[str, BagJob] = {}
    for source in sources:
        path = source.resolve()
        name = path.stem if path.is_file() else path.name
        if name in jobs:
            raise PointPillarsError(f"{jobs[name].source} and {path} would both become {folder / name}")
        jobs[name] = BagJob(name, path, (folder / name).resolve())
    return list(jobs.values())


def detect_one(job: BagJob, engine: Engine, options: BagOptions) -> JobReport:
    """Do a job."""
    if job.is_done:
        # By a worker that was lost before it could say so.
        return JobReport(DONE, "its bag was there")
    try:
        tally = detect_bag(job.source, job.out, options, lambda: engine, show=False)
    except (PointPillarsError, OSError) as error:
        return JobReport(FAILED, str(error), is_worth_another=isinstance(error, InferenceError | OSError))
    return JobReport(
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
def local_workers(options: BagOptions, attempts: int) -> Iterator[tuple[str, Work]]:
    """Work in this process, with one engine; a job that may succeed then is tried `attempts` times."""
    engine = open_engine(options)

    def work(jobs: Iterable[BagJob]) -> Iterator[tuple[BagJob, JobReport]]:
        for job in jobs:
            for attempt in range(1, attempts + 1):
                report = detect_one(job, engine, options)._replace(attempts=attempt)
                if not report.is_worth_another:
                    break
            yield job, report

    yield "this process", work


def _work(jobs: list[BagJob], manifest: Manifest, workers: Workers, say: Callable[[str], object]) -> None:
    """Do what is left, and say what it cost."""
    clouds, core_s = 0, 0.0
    with workers as (what, work):
        begin = time.monotonic()
        for job, report in tqdm(work(jobs), total=len(jobs), unit="bag", desc=what):
            manifest.record(job, report)
            clouds, core_s = clouds + report.clouds - report.replayed, core_s + report.core_s
        wall_s = time.monotonic() - begin
    if clouds:
        say(f"{count_of(clouds, 'cloud')} in {wall_s:.1f} s by {what}: {cost(clouds, wall_s, core_s)}")
