# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals at any moment, and what ROS raises by itself: a node ends when it is told to, and not before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from rosgraph_msgs.msg import Clock

from pointpillars_ov_ros.ros.qos import keep_last
from test.dds.peers import PATIENCE_S, nodes, peer
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

FOLDER = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros"


def has_mapped(library: str) -> Callable[[int], bool]:
    return lambda pid: library in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize(
    ("moment", "is_reached"),
    [
        ("Python has just begun", has_mapped("libc")),
        ("it imports", has_mapped("_multiarray_umath")),
        ("it loads networks, and compiles kernels", has_mapped("libopenvino_intel_cpu_plugin")),
    ],
)
def test_a_node_that_starts_ends_when_it_is_told_to(
    tmp_path: Path, moment: str, is_reached: Callable[[int], bool]
) -> None:
    """With an empty cache the kernels take many seconds to compile, which the signal does not wait for."""
    model = save_toy_bundle(tmp_path / "toy").folder
    command = [sys.executable, str(FOLDER / "pointpillars_detector"), "--ros-args", "-p", f"model_dir:={model}"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    while not is_reached(process.pid):
        assert process.poll() is None, moment
    signalled_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    print(f"{moment}: ended {time.monotonic() - signalled_s:.2f} s after the signal")
    assert process.returncode in (0, -signal.SIGTERM) if moment.startswith("Python") else process.returncode == 0, said
    assert "Traceback" not in said
    assert "waiting for clouds" not in said, "it went on loading"


def test_a_clock_below_zero_ends_nobody(tmp_path: Path) -> None:
    model = save_toy_bundle(tmp_path / "toy").folder
    names = ("pointpillars_detector", "pointpillars_diagnostics")
    with nodes(tmp_path / "logs") as processes, peer() as sender:
        processes.start(names[0], {"model_dir": str(model), "use_sim_time": True})
        processes.start(names[1], {"use_sim_time": True})
        clock = sender.create_publisher(Clock, "/clock", keep_last(10))
        sender.wait_until(lambda: clock.get_subscription_count() >= 2, "listeners of /clock", processes)
        impossible = Clock()
        impossible.clock.sec = -5
        logs = [tmp_path / "logs" / f"{name}.log" for name in names]
        sender.wait_until(
            lambda: clock.publish(impossible) or all("could not serve a message" in log.read_text() for log in logs),
            "a word about it",
            processes,
        )
        assert not sender.connect(toy_cloud(1), processes).error
