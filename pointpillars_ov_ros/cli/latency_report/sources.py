# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where `latency_report` has timing messages from: a bag, a recording of its own, or a detector that runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.bags.reader import choose_topic, first_line, open_bag
from pointpillars_ov_ros.cli.latency_report.runs import LatencyRun, TimedMessage
from pointpillars_ov_ros.cli.recordings import read_json
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.core.files import write_text
from pointpillars_ov_ros.ros.timing_message import from_message

_TYPE = "diagnostic_msgs/msg/DiagnosticArray"


def read_run(path: Path, topic: str) -> LatencyRun:
    """Read a bag, or a recording (a .json file); DatasetError says what is wrong with it."""
    run = read_recording(path) if path.suffix == ".json" else read_bag(path, topic)
    if not run.heard:
        raise DatasetError(f"{path}: no timing message of a detector in it")
    return run


def read_bag(path: Path, topic: str) -> LatencyRun:
    """Read the timing messages of one topic of a bag; a `topic` without / may be in any namespace."""
    with open_bag(path) as reader:
        chosen = choose_topic(reader, path, _TYPE, topic)
        connections = [c for c in reader.connections if c.topic == chosen and c.msgtype == _TYPE]
        heard = []
        for connection, stamp_ns, data in reader.messages(connections):
            try:
                timing = from_message(reader.deserialize(data, connection.msgtype))
            # Broken bytes make rosbags raise whatever its parsers stumble over.
            except Exception as error:
                raise DatasetError(
                    f"{path}: {chosen} holds something else than timing messages ({first_line(error)})"
                ) from None
            heard.append((stamp_ns / 1e9, timing))
    return make_run(f"{path}, {chosen}", heard)


def read_recording(path: Path) -> LatencyRun:
    """Read what `write_recording` wrote."""
    return read_json(LatencyRun, path, "latency_report")


def write_recording(path: Path, run: LatencyRun) -> None:
    """Keep a run as JSON, whole or not at all."""
    write_text(path, json.dumps(to_mapping(run)) + "\n")


def listen(topic: str, seconds: float) -> LatencyRun:
    """Listen to a running detector, until Ctrl-C at most; DatasetError where nothing is heard."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from tqdm import tqdm

    from pointpillars_ov_ros.ros import qos

    heard: list[tuple[float, Any]] = []
    rclpy.init()
    try:
        node = rclpy.create_node("pointpillars_latency_report")
        node.create_subscription(
            DiagnosticArray, topic, lambda message: heard.append((time.monotonic(), message)), qos.TIMING
        )
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        end = time.monotonic() + seconds
        with tqdm(total=round(seconds), unit="s", desc=f"listening to {topic}") as progress:
            while (left := end - time.monotonic()) > 0:
                executor.spin_once(timeout_sec=min(0.5, left))
                progress.set_postfix(clouds=len(heard), refresh=False)
                progress.update(round(seconds - left) - progress.n)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    if not heard:
        raise DatasetError(f"nothing was heard on {topic}: does a detector run, in this ROS domain and namespace?")
    return make_run(f"{topic}, heard {time.strftime('%Y-%m-%d %H:%M:%S')}", [(at, from_message(m)) for at, m in heard])


def make_run(title: str, heard: list[tuple[float, Any]]) -> LatencyRun:
    """Make a run of times on any clock (s) and timings."""
    first = heard[0][0] if heard else 0.0
    return LatencyRun(title, tuple(TimedMessage(round(at - first, 6), timing) for at, timing in heard))
