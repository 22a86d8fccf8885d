# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurement of starts: from the start of a process to its first detections, and the CPU time that this takes.

python -m benchmarks.starts [respawn] [process] [cold] [detect] [--times 10]

respawn: the detector is killed (kill -9) and started again, caches full, up to the first detections at a subscriber;
process: a process without ROS that opens the bundled model, caches full, up to the first detection;
cold:    the same, with the caches of Numba and of compiled networks empty;
detect:  the command `pointpillars_ov detect`, with those caches empty, up to its end.

On a machine that does other things, too, wall time says little: compare the CPU time.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import rclpy
from rclpy.executors import SingleThreadedExecutor

from benchmarks.ends import DETECTOR, Sender, cpu_of
from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.ros.dds import set_profile
from pointpillars_ov_ros.synthetic.drive import Drive

_PATIENCE_S = 300.0
_STAGES = ("loading and compiling", "waiting for clouds")
"""Words of the lines that are logged when modules are loaded, and when the node is active."""

_PROGRAM = """
import sys
import time
from pathlib import Path
import numpy as np
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.model.bundle import load_bundle

bundle, cloud, cache = sys.argv[1:]
engine = open_engine(load_bundle(Path(bundle)), RuntimeConfig(cache_dir=cache))
assert len(engine.slots[0].detect(np.fromfile(cloud, np.float32).reshape(-1, 4), engine.settings))
print(time.monotonic(), time.process_time())
"""


class Start(NamedTuple):
    """One start, from the start of the process (s)."""

    took_s: float
    cpu_s: float
    """CPU time of the process up to the first detections, in all its threads."""
    loaded_s: float = 0.0
    """Time at which Python's modules are loaded; 0: not known."""
    active_s: float = 0.0
    """Time at which the node is active."""


def respawn(folder: Path, clouds: Sequence[FloatArray]) -> Start:
    """Start the detector, kill it once it is heard, and return how long that took."""
    sender, executor = Sender(clouds, listens=True), SingleThreadedExecutor()
    executor.add_node(sender)
    try:
        with NodeProcesses(folder / "logs", os.environ) as processes:
            begin_s, wall_s = time.monotonic(), time.time()
            processes.start(DETECTOR, {"model_dir": str(shipped_model()), "cache_dir": str(folder / "cache")})
            while not sender.answered:
                processes.check()
                assert time.monotonic() - begin_s < _PATIENCE_S, "no detections"
                executor.spin_once(timeout_sec=0.05)
            took_s, cpu_s = time.monotonic() - begin_s, cpu_of(processes.pid(DETECTOR))
            os.kill(processes.pid(DETECTOR), signal.SIGKILL)
            log = (folder / "logs" / f"{DETECTOR}.log").read_text()
            stages = [float(re.findall(rf"\[([0-9.]+)\].*{words}", log)[-1]) - wall_s for words in _STAGES]
            return Start(took_s, cpu_s, *stages)
    finally:
        executor.shutdown()
        sender.destroy_node()


def start_process(folder: Path, cloud: Path, numba: Path) -> Start:
    """Start a process without ROS; the caches are in `folder` and `numba`."""
    begin_s = time.monotonic()
    arguments = [sys.executable, "-c", _PROGRAM, str(shipped_model()), str(cloud), str(folder / "cache")]
    output = subprocess.run(
        arguments, env={**os.environ, "NUMBA_CACHE_DIR": str(numba)}, capture_output=True, text=True, check=True
    ).stdout
    end_s, cpu_s = map(float, output.split()[-2:])
    return Start(end_s - begin_s, cpu_s)


def detect_cold(cloud: Path) -> Start:
    """Run `pointpillars_ov detect` with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        before, begin_s = os.times(), time.monotonic()
        command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "detect", str(cloud)]
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "XDG_CACHE_HOME": folder}
        subprocess.run(command, env=environment, capture_output=True, check=True)
        took_s, after = time.monotonic() - begin_s, os.times()
        used_s = after.children_user + after.children_system - before.children_user - before.children_system
        return Start(took_s, used_s)


def report(name: str, starts: Sequence[Start]) -> None:
    """Print the medians of some starts."""
    took_s, cpu_s, loaded_s, active_s = map(median, zip(*starts, strict=True))
    stages = f"; modules loaded after {loaded_s:.2f} s, active after {active_s:.2f} s" if loaded_s else ""
    most_s = max(start.took_s for start in starts)
    took = f"{took_s:.2f} s in the median of {len(starts)}, {most_s:.2f} at most"
    print(f"{name}: {took}, {cpu_s:.2f} s of CPU time{stages}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("respawn", "process", "cold", "detect")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(kinds)} (default: all)")
    parser.add_argument("--times", type=int, default=10, help="number of starts of each kind (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(kinds):
        parser.error(f"{', '.join(unknown)}: none of {', '.join(kinds)}")
    clouds = [frame.points for frame in Drive("hdl_64e", 7, 4)]
    with tempfile.TemporaryDirectory() as name:
        folder, cloud = Path(name), Path(name, "cloud.bin")
        clouds[0].tofile(cloud)
        # The sender and the listener need it as much as the detector, which sets it itself.
        set_profile()
        rclpy.init()

        def cold() -> Start:
            with tempfile.TemporaryDirectory() as empty:
                return start_process(Path(empty), cloud, Path(empty, "numba"))

        ways: dict[str, Callable[[], Start]] = {
            "respawn": lambda: respawn(folder, clouds),
            "process": lambda: start_process(folder, cloud, folder / "numba"),
            "cold": cold,
            "detect": lambda: detect_cold(cloud),
        }
        for kind in options.kinds or kinds:
            if kind in ("respawn", "process"):
                # Fills the caches.
                ways[kind]()
            report(kind, [ways[kind]() for _ in range(options.times)])
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
