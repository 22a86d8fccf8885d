# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of timing messages for `latency_report`: a bag, its own recording, or a running detector."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.bags.reader import choose_topic, first_line, open_bag
from pointpillars_ov_ros.cli.latency_report.runs import LatencyRun, TimedMessage
from pointpillars_ov_ros.cli.recordings import read_json
from pointpillars_ov_ros.config.errors import CloudError, DatasetError, count_of
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.ros.timing_message import FrameTiming, from_message

_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
_MOST_MS = 1e15
"""Thirty thousand years: stamps of 0 make ages of fifty years, and anything beyond is not a time."""


def read_run(path: Path, topic: str) -> LatencyRun:
    """Read a bag, or a recording (a .json file); raises DatasetError."""
    run = read_recording(path) if path.suffix == ".json" else read_bag(path, topic)
    if not run.heard:
        raise DatasetError(f"{path}: it contains no timing messages of a detector")
    return run


def read_bag(path: Path, topic: str) -> LatencyRun:
    """Read the timing messages of one topic of a bag; a `topic` without / may be in any namespace."""
    with open_bag(path) as reader:
        chosen = choose_topic(reader, path, _TYPE, topic)
        connections = [c for c in reader.connections if c.topic == chosen and c.msgtype == _TYPE]
        return make_run(
            f"{path}, {chosen}",
            (
                (stamp_ns / 1e9, partial(reader.deserialize, data, connection.msgtype))
                for connection, stamp_ns, data in reader.messages(connections)
            ),
        )


def read_recording(path: Path) -> LatencyRun:
    """Read a recording written by `write_recording`."""
    run = read_json(LatencyRun, path, "latency_report")
    for each in run.heard:
        values = [value for value in dataclasses.astuple(each.timing) if isinstance(value, float)]
        if not all(abs(value) < _MOST_MS for value in [each.at_s, *values]):
            raise DatasetError(f"{path} is not a recording of `latency_report`: it contains an invalid time")
    return run


def write_recording(path: Path, run: LatencyRun) -> None:
    """Write a run as JSON, completely or not at all."""
    write_text(path, json.dumps(to_mapping(run)) + "\n")


def listen(topic: str, seconds: float) -> LatencyRun:
    """Listen to a running detector, at most until Ctrl-C; DatasetError if nothing is received."""
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
        raise DatasetError(
            f"no message was received on {topic}: is a detector running in this ROS domain and namespace?"
        )
    title = f"{topic}, recorded {time.strftime('%Y-%m-%d %H:%M:%S')}"
    return make_run(title, ((at, partial(_same, message)) for at, message in heard))


def _same(message: Any) -> Any:
    return message


def make_run(title: str, heard: Iterable[tuple[float, Callable[[], Any]]]) -> LatencyRun:
    """Make a run from times on any clock (s), each with a function that returns its message.

    Other nodes may publish on the topic, so messages that are not timing messages are counted and ignored. Raises
    DatasetError if there are no others.
    """
    kept: list[tuple[float, FrameTiming]] = []
    rejected, reason = 0, ""
    for at_s, parse in heard:
        try:
            kept.append((at_s, _check(from_message(parse()))))
        # Besides CloudError, broken bytes make rosbags raise any kind of exception.
        except Exception as error:
            rejected, reason = rejected + 1, reason or first_line(error)
    if rejected and not kept:
        raise DatasetError(f"{title} does not contain timing messages ({reason})")
    first = kept[0][0] if kept else 0.0
    return LatencyRun(
        title,
        tuple(TimedMessage(round(at_s - first, 6), timing) for at_s, timing in kept),
        f"{count_of(rejected)} ignored that are not timing messages ({reason})" if rejected else "",
    )


def _check(timing: FrameTiming) -> FrameTiming:
    """Raise CloudError for times that no clock has, and that cannot be plotted."""
    for field in dataclasses.fields(timing):
        value = getattr(timing, field.name)
        if isinstance(value, float) and not abs(value) < _MOST_MS:
            raise CloudError(f"{field.name}: {value:g} is not a time")
    return timing
