# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection in many bags: the jobs, their results, and their cost."""

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
"""Settings that do not affect the outputs, or that are the same for all of them."""
DONE, FAILED = "done", "failed"


class BagJob(NamedTuple):
    """An input, and its output bag."""

    name: str
    source: Path
    out: Path

    @property
    def is_done(self) -> bool:
        """Whether its output bag exists, which means that it is complete."""
        return (self.out / "metadata.yaml").is_file()


class JobReport(NamedTuple):
    """Outcome of a job."""

    state: str
    reason: str = ""
    """Reason for a failure."""
    clouds: int = 0
    detected: int = 0
    refused: int = 0
    replayed: int = 0
    """Number of clouds that an earlier attempt had processed."""
    boxes: int = 0
    wall_s: float = 0.0
    core_s: float = 0.0
    attempts: int = 1
    is_worth_another: bool = False
    """Whether another attempt may succeed."""


Work = Callable[[Iterable[BagJob]], Iterator[tuple[BagJob, JobReport]]]
Workers = AbstractContextManager[tuple[str, Work]]
"""Workers that are ready: a description, and the function that makes them do jobs, in any order."""


class Manifest:
    """Outcome of each input, as a file that is always complete."""

    def __init__(self, path: Path, settings: dict[str, str]) -> None:
        """Read the manifest of an earlier run; PointPillarsError if that had other settings."""
        self.path, self.reports = path, dict[str, dict[str, Any]]()
        self._settings = settings
        if path.exists():
            try:
                stored = parse_json(read_text(path, _MOST_BYTES))
                before, self.reports = dict(stored["settings"]), dict(stored["inputs"])
                for report in self.reports.values():
                    JobReport(**{key: value for key, value in report.items() if key != "input"})
            except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
                raise PointPillarsError(f"{path}: this is not a manifest of detect_bags ({one_line(error)})") from None
            for name, value in settings.items():
                if before.get(name) != value:
                    raise PointPillarsError(
                        f"{path.parent} was started with {name} {plain(before.get(name))}, but now it is {value}: "
                        "choose another folder for --out"
                    )

    def record(self, job: BagJob, report: JobReport) -> None:
        """Record the outcome of an input."""
        self.reports[job.name] = {"input": str(job.source), **report._asdict()}
        content = json.dumps({"settings": self._settings, "inputs": self.reports}, indent=1) + "\n"
        write_text(self.path, content)


class ManyBags(NamedTuple):
    """Outcomes of the inputs of one run of `detect_many`."""

    reports: dict[str, dict[str, Any]]
    """Reports by name; see `JobReport`."""
    done_before: int
    manifest: Path

    def count(self, state: str) -> int:
        """Return how many inputs are in a state."""
        return Counter(report["state"] for report in self.reports.values())[state]


def detect_many(
    sources: list[Path], out: Path, options: BagOptions, workers: Workers, say: Callable[[str], object] = print
) -> ManyBags:
    """Detect in every input that is not done, and record it in the manifest; `say` receives the cost.

    `workers` (`local_workers`, `ray_workers`) are entered only if something is left to do.
    """
    jobs = plan(sources, out)
    manifest = Manifest(out / MANIFEST, describe_settings(options))
    left = []
    for job in jobs:
        if not job.is_done:
            left.append(job)
        # A driver may be killed before it has recorded what is done.
        elif manifest.reports.get(job.name, {}).get("state") != DONE:
            manifest.record(job, JobReport(DONE, "its bag already exists"))
    if left:
        with TemporaryDirectory() as scratch:
            # So that an unusable model is reported once, and not by every worker.
            open_model(options.model, Path(scratch) / "bundle")
        _work(left, manifest, workers, say)
    reports = {job.name: manifest.reports[job.name] for job in jobs}
    return ManyBags(reports, len(jobs) - len(left), manifest.path)


def describe_settings(options: BagOptions) -> dict[str, str]:
    """Return everything that the outputs depend on, by name."""
    values = to_mapping(options)
    runtime = {name: value for name, value in values.pop("runtime").items() if name not in _WITHOUT_EFFECT}
    every = {**values.pop("node"), **values, **runtime}
    return {name: str(value) for name, value in sorted(every.items())}


def plan(sources: list[Path], folder: Path) -> list[BagJob]:
    """Return the job of every input, with its bag in `folder`; PointPillarsError if two have the same name."""
    jobs: dict[str, BagJob] = {}
    for source in sources:
        path = source.resolve()
        name = path.stem if path.is_file() else path.name
        if name in jobs:
            raise PointPillarsError(f"{jobs[name].source} and {path} would both be written to {folder / name}")
        jobs[name] = BagJob(name, path, (folder / name).resolve())
    return list(jobs.values())


def detect_one(job: BagJob, engine: Engine, options: BagOptions) -> JobReport:
    """Do a job."""
    if job.is_done:
        # Done by a worker that was lost before it could report it.
        return JobReport(DONE, "its bag already exists")
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
    """Work in this process, with one engine; a job that may succeed on a retry is tried `attempts` times."""
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
    """Do the remaining jobs, and report their cost."""
    clouds, core_s = 0, 0.0
    with workers as (what, work):
        begin = time.monotonic()
        for job, report in tqdm(work(jobs), total=len(jobs), unit="bag", desc=what):
            manifest.record(job, report)
            clouds, core_s = clouds + report.clouds - report.replayed, core_s + report.core_s
        wall_s = time.monotonic() - begin
    if clouds:
        say(f"{count_of(clouds, 'cloud')} in {wall_s:.1f} s with {what}: {cost(clouds, wall_s, core_s)}")
