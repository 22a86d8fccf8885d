# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenCL layer itself: no event is lost among many threads and queues, and results are whole when they are read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from test.gpu.gpu_setup import FOLDER, REPOSITORY, GpuSetup, compile_c

PATIENCE_S = 240
SECONDS = 4


@pytest.fixture(scope="module")
def stress(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the compiled layer_stress.c, which says what it does."""
    program = tmp_path_factory.mktemp("stress") / "layer_stress"
    compile_c(GpuSetup(FOLDER), REPOSITORY / "test" / "gpu" / "layer_stress.c", program)
    return program


@pytest.mark.parametrize("threads", [1, 2, 12])
def test_small_commands_of_many_queues_end_and_are_right(stress: Path, threads: int) -> None:
    run = subprocess.run(
        [str(stress), str(threads), str(SECONDS)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(run.stdout.split()[0]) >= threads
