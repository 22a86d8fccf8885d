# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`colcon test` runs the tests: it takes its runner from setup.py, and calls it OK where that finds none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pointpillars_ov_ros"
COLCON = "import sys; from colcon_core.command import main; sys.exit(main())"
SOME = "test/config/test_mapping.py"

pytest.importorskip("colcon_ros", reason="colcon is not installed for this Python")


def test_colcon_runs_pytest_and_leaves_the_slow_tests_out(tmp_path: Path) -> None:
    build = tmp_path / "build"
    # Without it, colcon takes the package for one that was not built, and goes on.
    (build / PACKAGE).mkdir(parents=True)
    places = ["--base-paths", str(ROOT), "--build-base", str(build), "--install-base", str(tmp_path / "install")]
    command = ["--log-base", str(tmp_path / "log"), "test", *places, "--packages-select", PACKAGE]
    done = subprocess.run(
        [sys.executable, "-c", COLCON, *command, "--pytest-args", SOME], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = ElementTree.parse(build / PACKAGE / "pytest.xml").getroot()
    (suite,) = report.iter("testsuite")
    assert int(suite.get("tests", "0")) > 10 and suite.get("errors") == suite.get("failures") == "0"


@pytest.mark.parametrize("name", ["private.pem", "keys/signing.key"])
def test_keys_are_kept_out_of_the_repository(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--no-index", "-q", name], cwd=ROOT)
    if done.returncode == 128:
        pytest.skip("git does not know this folder")
    assert done.returncode == 0
    assert f"**/*{Path(name).suffix}" in (ROOT / ".dockerignore").read_text().splitlines()
