# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports of a node before it can print anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOADS = """
import sys
from pointpillars_ov_ros.nodes.entry import import_openvino_alone
import_openvino_alone()
import pointpillars_ov_ros.nodes.detector.node
import openvino
print("openvino_telemetry" in sys.modules, hasattr(openvino, "convert_model"), openvino.Core().available_devices)
import openvino.tools.ovc
print(openvino.tools.ovc.convert_model.__name__)
"""


def test_a_node_does_not_wait_for_the_model_converter_which_others_may_load_later() -> None:
    said = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=True).stdout.split("\n")
    assert said[0].startswith("False False ['CPU'")
    assert said[1] == "convert_model"


KERNELS = """
import sys
import numpy as np
from pointpillars_ov_ros.nodes.entry import import_openvino_alone
import_openvino_alone()
import pointpillars_ov_ros.nodes.detector.node
from pointpillars_ov_ros.clouds.points import clean_points
clean_points(np.zeros((3, 4), np.float32), 1.0)
print([name for name in ("cffi", "coverage", "scipy") if sys.modules.get(name)])
"""


def test_a_node_does_not_wait_for_what_no_kernel_needs() -> None:
    done = subprocess.run([sys.executable, "-c", KERNELS], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


STARTS = """
import sys
from pointpillars_ov_ros.nodes import entry
from pointpillars_ov_ros.ros import runner
loaded = lambda: [name for name in ("openvino", "numba") if name in sys.modules]
runner.run_node = lambda create, stop: print(create.__name__, *loaded()) or 0
entry.{}()
"""


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("detector", "DetectorNode openvino numba"),
        ("diagnostics", "DiagnosticsNode"),
        ("player", "KittiPlayerNode numba"),
    ],
)
def test_a_node_loads_openvino_and_numba_only_where_it_needs_them(node: str, said: str) -> None:
    command = [sys.executable, "-c", STARTS.format(node)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == said


@pytest.mark.parametrize("node", ["detector", "diagnostics", "player"])
def test_a_node_goes_on_where_its_directory_was_deleted(node: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n{STARTS.format(node)}"
    # What is on the path by its full name is found from nowhere, too.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "Node" in done.stdout, done.stderr
    assert done.stderr.count("\n") == 1 and "the node continues in /" in done.stderr
