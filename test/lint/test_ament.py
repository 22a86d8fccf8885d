# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The linters of ament, if installed; ruff, mypy and test/architecture check more, everywhere."""

from __future__ import annotations

import importlib.util
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = [str(REPOSITORY / name) for name in ("pointpillars_ov_ros", "launch", "setup.py")]
SCHEMAS = "http://download.ros.org"
# ament_copyright is left out: it knows whole licence headers, not SPDX lines. test/architecture looks for those.
LINTERS = {
    "ament_flake8": ["--config", str(Path(__file__).with_name("flake8.ini")), *CODE],
    "ament_pep257": ["--select", "D100", "D101", "D102", "D103", "D104", "D201", "D300", "D403", "--", *CODE],
    "ament_xmllint": [str(REPOSITORY / "package.xml")],
}


@pytest.mark.parametrize("name", LINTERS)
def test_ament_has_nothing_to_say(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: it is not on PyPI, a ROS 2 brings it")
    if name == "ament_xmllint" and not is_reachable(SCHEMAS):
        pytest.skip(f"the schema of package.xml cannot be had from {SCHEMAS}")
    module = __import__(f"{name}.main", fromlist=["main"])
    assert module.main(argv=LINTERS[name]) == 0


def is_reachable(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5.0):
            return True
    except OSError:
        return False
