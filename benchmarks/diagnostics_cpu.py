# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the CPU time of the diagnostics node while frames are reported at a given rate.

python -m benchmarks.diagnostics_cpu [--rate 20] [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Header

from benchmarks.ends import cpu_of
from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.timing_message import FrameTiming, to_message


def thread_cpu_ns(pid: int) -> dict[int, int]:
    """Return the CPU time of each thread of a process (ns), by its id."""
    found = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) for task in found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="time to measure after the window is full")
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("pointpillars_detector")
    publisher = node.create_publisher(DiagnosticArray, "timing", qos.TIMING)
    reports: list[DiagnosticArray] = []
    node.create_subscription(DiagnosticArray, "/diagnostics", reports.append, qos.keep_last(10))
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        timing = FrameTiming(received=sent, completed=sent, mode="latency", total_ms=20.0 + sent % 7)
        publisher.publish(to_message(timing, Header()))

    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with tempfile.TemporaryDirectory() as folder, NodeProcesses(Path(folder), os.environ) as processes:
        processes.start("pointpillars_diagnostics", {"window": 200})
        while not publisher.get_subscription_count():
            executor.spin_once(timeout_sec=0.1)
        node.create_timer(1.0 / options.rate, send)

        def spin(frames: int) -> None:
            until = sent + frames
            while sent < until:
                executor.spin_once(timeout_sec=0.1)
            processes.check()

        spin(200)
        pid = processes.pid("pointpillars_diagnostics")
        before, begin, threads = cpu_of(pid), node.get_clock().now(), thread_cpu_ns(pid)
        heard = len(reports)
        spin(int(options.rate * options.seconds))
        took_s = (node.get_clock().now() - begin).nanoseconds / 1e9
        share = 100.0 * (cpu_of(pid) - before) / took_s
        own = {thread: used - threads.get(thread, 0) for thread, used in thread_cpu_ns(pid).items()}
    middleware = sum(used for thread, used in own.items() if thread != pid) / took_s / 1e7
    print(
        f"{options.rate:g} frames/s, {len(reports) - heard} reports, {took_s:.0f} s: {share:.2f} % of a core; "
        f"Python's thread {own[pid] / took_s / 1e7:.2f} %, those of the middleware {middleware:.2f} %"
    )


if __name__ == "__main__":
    main()
