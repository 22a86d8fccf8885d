# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starting, watching and restarting of child processes."""

from __future__ import annotations

import json
import multiprocessing
import re
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from test.torture.fuzz.child import State, feed_target

STILL_S = 60.0
"""A child that finishes no input for so long hangs where Python cannot interrupt it; the first takes minutes."""
_START_S = 600.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Folder where small files take no time."""
_MOST_DEATHS = 5
_COVERAGE = re.compile(rb"(INITED|DONE)\s+cov: (\d+)")


@dataclass
class Outcome:
    """Outcome of a target."""

    name: str
    inputs: int = 0
    work_s: float = 0.0
    """CPU time, without the start of the process, which compiles kernels that Numba has not cached."""
    coverage: tuple[int, int] = (0, 0)
    """Branches of the package reached by the inputs it began with, and by all."""
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The row of the table."""
        rate = self.inputs / self.work_s if self.work_s else 0.0
        new = self.coverage[1] - self.coverage[0]
        return f"| {self.name} | {self.inputs} | {rate:.0f} | {self.coverage[1]} | {new} | {len(self.findings)} |"


def fuzz(name: str, inputs: int, seed: int, folder: Path) -> Outcome:
    """Feed the target `name` with `inputs` inputs, in as many processes as it kills."""
    folder.mkdir(parents=True)
    outcome, state = Outcome(name), State(folder / "state")
    deaths: list[dict[str, Any]] = []
    while outcome.inputs < inputs and len(deaths) < _MOST_DEATHS:
        log = folder / "log"
        log.touch()
        child = start_child(name, folder, inputs - outcome.inputs, seed + len(deaths), log)
        still = watch(child, state)
        outcome.inputs, begun, outcome.work_s, data = state.read()
        found = _COVERAGE.findall(log.read_bytes())
        counts = [int(count) for _, count in found]
        if counts:
            outcome.coverage = (outcome.coverage[0] or counts[0], max(outcome.coverage[1], *counts))
        if child.exitcode == 0 and not still:
            break
        what = "hang" if still else f"exit {child.exitcode}"
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        deaths.append(
            {"what": what, "where": "native code" if begun else "start", "says": words[-1][:300], "input": data.hex()}
        )
    lines = folder / "findings.jsonl"
    outcome.findings = deaths + [
        json.loads(line) for line in (lines.read_text().splitlines() if lines.exists() else [])
    ]
    return outcome


def start_child(name: str, folder: Path, inputs: int, seed: int, log: Path) -> BaseProcess:
    """Start a process that feeds a target, of the one that has everything loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.nursery"])
    child = context.Process(target=feed_target, args=(name, folder, inputs, seed, log))
    child.start()
    return child


def watch(child: BaseProcess, state: State) -> bool:
    """Wait until a child ends; return whether it had to be killed because it made no progress."""
    first = before = state.read()[0]
    since = time.monotonic()
    while True:
        child.join(0.1)
        if child.exitcode is not None:
            return False
        done = state.read()[0]
        if done != before:
            before, since = done, time.monotonic()
        elif time.monotonic() - since > (STILL_S if done != first else _START_S):
            child.kill()
            child.join()
            return True
