# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run every file of test/gpu/plugin in a process in which OpenVINO sees a GPU; skipped if that cannot be set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from test.gpu.gpu_setup import REPOSITORY, GpuSetup, SetupError, set_up
from test.gpu.toy import CACHE_VARIABLE

FILES = sorted(Path(__file__).with_name("plugin").glob("test_*.py"))
SILENCE_S = 300.0
"""A file hangs if no test of it has ended for so long; one takes seconds on idle cores, 100 on a busy machine."""
TIMED_OUT = 124
ATTEMPTS = 3
"""For a file that hangs. Intel's OpenCL runtime for CPUs now and then never finishes an event (seen once in some ten
runs, in clWaitForEvents below compile_model, while other tests ran beside it); a fault of ours hangs each time."""
AT_ONCE = 1
"""Files that run beside each other; two of them starve the runtime's workers on two cores."""


class Run(NamedTuple):
    """The end of a file."""

    status: int
    output: str


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Path, Future[Run]]]:
    """Start every file that is selected."""
    try:
        gpu_setup = set_up()
    except SetupError as error:
        pytest.skip(f"the GPU plugin cannot be given a device here: {error}")
    chosen = [
        item.callspec.params["file"] for item in request.session.items if "runs" in getattr(item, "fixturenames", ())
    ]
    cache = tmp_path_factory.mktemp("cache")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {path: pool.submit(run, path, gpu_setup, tmp_path_factory.mktemp("switches"), cache) for path in chosen}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem.removeprefix("test_"))
def test_on_the_gpu_plugin(file: Path, runs: Mapping[Path, Future[Run]]) -> None:
    done = runs[file].result()
    assert done.status == 0, done.output
    print(done.output)


def run(file: Path, gpu_setup: GpuSetup, switches: Path, cache: Path) -> Run:
    """Run a file in another process, again if it does not end; status 124 if it never does."""
    for _ in range(ATTEMPTS):
        done = run_once(file, gpu_setup, switches, cache)
        if done.status != TIMED_OUT:
            break
    return done


def stacks_of(process: int) -> str:
    """Return where the threads of a process are, where there is a gdb to ask."""
    if shutil.which("gdb") is None:
        return "no gdb here, so no stacks"
    command = ["gdb", "-p", str(process), "-batch", "-ex", "set pagination off", "-ex", "thread apply all bt 40"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def run_once(file: Path, gpu_setup: GpuSetup, switches: Path, cache: Path) -> Run:
    """Run a file in another process."""
    # Not in this one: LD_PRELOAD gives all of it another TBB, and every other test would see one device more.
    environment = os.environ | gpu_setup.environment(switches) | {CACHE_VARIABLE: str(cache)}
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "--tb=short", "-p", "no:cacheprovider", str(file)]
    printed = cache.with_name(f"{file.stem}.log")
    with (
        printed.open("w") as output,
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        size, changed_s = 0, time.monotonic()
        while process.poll() is None:
            time.sleep(0.2)
            if (now := printed.stat().st_size) != size:
                size, changed_s = now, time.monotonic()
            if time.monotonic() - changed_s > SILENCE_S:
                stacks = stacks_of(process.pid)
                process.kill()
                said = f"{file.name} hung for {SILENCE_S:.0f} s; it printed\n{printed.read_text()}\n{stacks}"
                # Also where a later attempt ends: what hangs now and then is found by its stacks.
                print(said)
                return Run(TIMED_OUT, said)
    return Run(process.returncode, printed.read_text())
