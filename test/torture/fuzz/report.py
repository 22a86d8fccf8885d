# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: machine, versions, inputs, coverage, findings with their bytes."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version

from test.torture.fuzz.parent import Outcome

_PACKAGES = ("atheris", "numpy", "numba", "PyYAML", "openvino", "rosbags")


def describe(outcomes: Sequence[Outcome], seed: int) -> str:
    """Return the report as Markdown."""
    total, work_s = sum(o.inputs for o in outcomes), sum(o.work_s for o in outcomes)
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    lines = [
        "# Bad bytes",
        "",
        f"`python -m test.torture.fuzz --inputs {total} --seed {seed}` at commit {commit}: {total} inputs in "
        f"{work_s:.0f} s of one core, starts of processes left out; {sum(len(o.findings) for o in outcomes)} findings.",
        "",
        f"{_processor()}, Python {platform.python_version()}, {versions}.",
        "",
        "| target | inputs | per second | branches reached | beyond the first inputs | findings |",
        "|---|---|---|---|---|---|",
        *(outcome.line for outcome in outcomes),
        "",
    ]
    for outcome in outcomes:
        for found in outcome.findings:
            says = " ".join(str(found["says"]).split())
            lines += [f"* {outcome.name}: {found['what']} at {found['where']}: {says}", f"  `{found['input'][:400]}`"]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    """Return the processor's name."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()
