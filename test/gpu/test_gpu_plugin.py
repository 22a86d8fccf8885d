# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every file of test/gpu/plugin, each in a process in which OpenVINO sees a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from test.gpu.gpu_setup import REPOSITORY, GpuSetup, SetupError, set_up

FILES = sorted(Path(__file__).with_name("plugin").glob("test_*.py"))
TIMEOUT_S = 900.0
"""For a file that hangs; each takes a minute or less on two idle cores."""


@pytest.fixture(scope="module")
def gpu_setup() -> GpuSetup:
    try:
        return set_up()
    except SetupError as error:
        pytest.skip(f"the GPU plugin cannot be given a device here: {error}")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem.removeprefix("test_"))
def test_on_the_gpu_plugin(file: Path, gpu_setup: GpuSetup, tmp_path: Path) -> None:
    # Not in this process: LD_PRELOAD gives all of it another TBB, and every other test would see one device more.
    environment = os.environ | gpu_setup.environment(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "--tb=short", "-p", "no:cacheprovider", str(file)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) as run:
        try:
            output, _ = run.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            run.kill()
            output, _ = run.communicate()
            pytest.fail(f"{file.name} did not end within {TIMEOUT_S:.0f} s; it printed\n{output}")
    assert run.returncode == 0, output
    print(output)
