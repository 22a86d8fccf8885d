# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Children that are started, watched, and started anew where they die."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from test.torture.fuzz.child import State

STILL_S = 60.0
"""A child that finishes no input for so long hangs where Python cannot interrupt it; the first takes minutes."""
_START_S = 600.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files of a few bytes take no time."""
_MOST_DEATHS = 5
_COVERAGE = re.compile(rb"(INITED|DONE)\s+cov: (\d+)")


@dataclass
class Outcome:
    """What became of a target."""

    name: str
    inputs: int = 0
    work_s: float = 0.0
    """Of the processor; without the start of the process, which compiles what Numba has not kept."""
    coverage: tuple[int, int] = (0, 0)
    """Branches of the package reached by the inputs it began with, and by all."""
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Say it in a row of a table."""
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
        with log.open("wb") as file:
            command = [sys.executable, "-m", f"{__package__}.child", name, str(folder)]
            command += [str(inputs - outcome.inputs), str(seed + len(deaths))]
            # So that what a child that dies has left goes with the folder.
            environment = {**os.environ, "TMPDIR": str(folder)}
            child = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
            still = watch(child, state)
        outcome.inputs, begun, outcome.work_s, data = state.read()
        found = _COVERAGE.findall(log.read_bytes())
        counts = [int(count) for _, count in found]
        if counts:
            outcome.coverage = (outcome.coverage[0] or counts[0], max(outcome.coverage[1], *counts))
        if child.returncode == 0 and not still:
            break
        what = "hang" if still else f"exit {child.returncode}"
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        deaths.append(
            {"what": what, "where": "native code" if begun else "start", "says": words[-1][:300], "input": data.hex()}
        )
    lines = folder / "findings.jsonl"
    outcome.findings = deaths + [
        json.loads(line) for line in (lines.read_text().splitlines() if lines.exists() else [])
    ]
    return outcome


def watch(child: subprocess.Popen[bytes], state: State) -> bool:
    """Wait until a child ends; give whether it had to be ended since it stood still."""
    first = before = state.read()[0]
    since = time.monotonic()
    while True:
        try:
            child.wait(0.1)
            return False
        except subprocess.TimeoutExpired:
            done = state.read()[0]
        if done != before:
            before, since = done, time.monotonic()
        elif time.monotonic() - since > (STILL_S if done != first else _START_S):
            child.kill()
            child.wait()
            return True
