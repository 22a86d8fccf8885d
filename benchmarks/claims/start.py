# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The claim of how soon a process detects after its start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.claims.claim import Claim, ClaimInputs
from pointpillars_ov_ros.cli.measurement.ratios import estimate
from pointpillars_ov_ros.config.errors import InferenceError

_WARM_STARTS = 5

_PROGRAM = """
import sys
import time
from pathlib import Path
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import load_bundle

bundle, data, cache = sys.argv[1:]
engine = open_engine(load_bundle(Path(bundle)), RuntimeConfig(cache_dir=cache))
for frame in find_frames(Path(data)):
    if len(engine.slots[0].detect(frame.read_points().copy(), engine.settings)):
        print(time.monotonic())
        break
else:
    sys.exit("nothing detected in any frame")
"""


def claim_start(inputs: ClaimInputs) -> list[Claim]:
    """Time a process from its start to its first detection, first with empty and then with full caches."""
    with tempfile.TemporaryDirectory() as cache:
        cold_s = time_start(inputs, cache)
        warm = estimate([time_start(inputs, cache) for _ in range(_WARM_STARTS)])
    cold = "process start to first detection, caches of numba and OpenVINO empty"
    return [
        Claim(cold, cold_s, unit=" s", how="one start"),
        Claim.of("process start to first detection, caches full", warm, 3.0, f"median of {warm.count} starts", " s"),
    ]


def time_start(inputs: ClaimInputs, cache: str) -> float:
    """Return the time (s) of one such process up to its first detection; its caches are in the folder `cache`.

    Raises InferenceError if it detects nothing.
    """
    arguments = [sys.executable, "-c", _PROGRAM, str(inputs.bundle.folder), str(inputs.data), cache]
    begin = time.monotonic()
    ended = subprocess.run(
        arguments, env={**os.environ, "NUMBA_CACHE_DIR": cache}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise InferenceError(f"the process that should detect ended with code {ended.returncode}: {last}")
    # All processes of a machine share one monotonic clock.
    return float(ended.stdout.split()[-1]) - begin
