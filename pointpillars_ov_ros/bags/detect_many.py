# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many bags: what is to be done, what was done, and what it cost."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from pointpillars_ov_ros.bags.tally import cost
from pointpillars_ov_ros.bags.work import DONE, FAILED, Job, Report, Workers, local_workers
from pointpillars_ov_ros.config.documents import one_line, parse_json, read_text
from pointpillars_ov_ros.config.errors import PointPillarsError, plain
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.files import write_whole

MANIFEST = "manifest.json"
_MOST_BYTES = 100_000_000
_WITHOUT_EFFECT = ("command", "run", "sources", "out", "engine", "workers", "address", "attempts", "threads")
"""Flags that the outputs do not depend on."""


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
                    Report(**{key: value for key, value in report.items() if key != "input"})
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise PointPillarsError(f"{path}: this is no manifest of detect_bags ({one_line(error)})") from None
            for name, value in settings.items():
                if before.get(name) != value:
                    raise PointPillarsError(
                        f"{path.parent} was begun with {name} {plain(before.get(name))}, and now it is {value}: "
                        "name another folder for --out"
                    )

    def note(self, job: Job, report: Report) -> None:
        """Write down what became of an input."""
        self.reports[job.name] = {"input": str(job.source), **report._asdict()}
        content = json.dumps({"settings": self._settings, "inputs": self.reports}, indent=1) + "\n"
        write_whole(self.path, lambda fresh: fresh.write_text(content, encoding="utf-8"))


def run_detect_bags(options: argparse.Namespace) -> int:
    """Detect in every input that is not done, and print what became of all of them."""
    jobs = plan(options.sources, options.out)
    settings = {name: str(value) for name, value in sorted(vars(options).items()) if name not in _WITHOUT_EFFECT}
    manifest = Manifest(options.out / MANIFEST, settings)
    left = []
    for job in jobs:
        if not job.is_done:
            left.append(job)
        # A driver may be killed before it has noted what is done.
        elif manifest.reports.get(job.name, {}).get("state") != DONE:
            manifest.note(job, Report(DONE, "its bag was there"))
    if left:
        with TemporaryDirectory() as scratch:
            # So that a model that cannot be had is said once, and not by every worker.
            open_model(options.model, Path(scratch) / "bundle")
        _work(left, manifest, options)
    reports = {job.name: manifest.reports[job.name] for job in jobs}
    states = Counter(report["state"] for report in reports.values())
    print(f"{len(jobs)} inputs: {states[DONE]} done, {states[FAILED]} failed, {len(jobs) - len(left)} were done before")
    for name, report in reports.items():
        if report["state"] == FAILED:
            print(f"  failed: {name}: {report['reason']}")
    print(f"{manifest.path}")
    return 1 if states[FAILED] else 0


def _work(jobs: list[Job], manifest: Manifest, options: argparse.Namespace) -> None:
    """Do what is left, and print what it cost."""
    clouds, core_s = 0, 0.0
    with _workers(options) as (what, work):
        begin = time.monotonic()
        for job, report in tqdm(work(jobs), total=len(jobs), unit="bag", desc=what):
            manifest.note(job, report)
            clouds, core_s = clouds + report.clouds - report.replayed, core_s + report.core_s
        wall_s = time.monotonic() - begin
    if clouds:
        print(f"{clouds} clouds in {wall_s:.1f} s by {what}: {cost(clouds, wall_s, core_s)}")


def _workers(options: argparse.Namespace) -> Workers:
    if options.engine == "local":
        return local_workers(options)
    from pointpillars_ov_ros.bags.ray_workers import ray_workers

    return ray_workers(options)


def plan(sources: list[Path], folder: Path) -> list[Job]:
    """Name every input, and its bag in `folder`; PointPillarsError where two have the same name."""
    jobs: dict[str, Job] = {}
    for source in sources:
        path = source.resolve()
        name = path.stem if path.is_file() else path.name
        if name in jobs:
            raise PointPillarsError(f"{jobs[name].source} and {path} would both become {folder / name}")
        jobs[name] = Job(name, path, (folder / name).resolve())
    return list(jobs.values())
