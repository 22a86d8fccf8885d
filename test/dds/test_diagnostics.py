# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""/diagnostics against what somebody else who listens measures, and through the death of a detector."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.nodes.diagnostics.health import DETECTOR
from pointpillars_ov_ros.nodes.diagnostics.node import DiagnosticsNode
from test.dds.peers import Peer, call, nodes, peer, set_parameter
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

FRAMES, RATE_HZ = 60, 10.0
TASKS = ("latency", "clouds", "device", "events")


class Listener:
    """Somebody who measures for himself."""

    def __init__(self, sender: Peer, processes: NodeProcesses, model: Path) -> None:
        """Start the diagnostics, with a window that takes all in."""
        self.sender, self.processes, self._model = sender, processes, model
        processes.start("pointpillars_diagnostics", {"period": 0.2, "stale_after": 1.5, "window": 1000, "recovery": 1})

    def start_detector(self) -> None:
        self.processes.start(
            "pointpillars_detector",
            {"model_dir": str(self._model), "encoder": "openvino", "lean_rpn": False, "drop_policy": "replay"},
        )
        self.sender.connect(toy_cloud(0), self.processes)

    def statuses(self) -> dict[str, DiagnosticStatus]:
        """Return the last statuses, by task."""
        if not self.sender.diagnostics:
            return {}
        return {status.name.removeprefix(f"{DETECTOR}: "): status for status in self.sender.diagnostics[-1].status}

    def values(self, task: str) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.statuses()[task].values} if self.statuses() else {}

    def levels(self) -> set[bytes]:
        return {status.level for status in self.statuses().values()}

    def await_levels(self, level: bytes) -> None:
        """Wait until all say so, while clouds are sent unless the level is STALE."""
        last_s = 0.0

        def are_so() -> bool:
            nonlocal last_s
            if level != DiagnosticStatus.STALE and time.monotonic() > last_s + 0.2:
                last_s = time.monotonic()
                self.sender.clouds.publish(self.sender.make_cloud(toy_cloud(0)))
            return self.levels() == {level}

        self.sender.wait_until(are_so, f"{level!r} of all statuses")


def test_figures_are_those_that_an_outside_subscriber_measures(tmp_path: Path) -> None:
    model = save_toy_bundle(tmp_path).folder
    arrived_s: list[float] = []
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        listener = Listener(sender, processes, model)
        listener.start_detector()
        listener.await_levels(DiagnosticStatus.OK)
        begun = len(sender.timings)
        sender.wait_until(lambda: len(sender.detections) >= begun, "the detections so far")
        # A silence, so that the window begins with what is measured here.
        listener.await_levels(DiagnosticStatus.STALE)
        first, sent, next_s = len(sender.timings), 0, time.monotonic()
        while len(arrived_s) < FRAMES:
            if sent < FRAMES and time.monotonic() >= next_s:
                sender.clouds.publish(sender.make_cloud(toy_cloud(0)))
                sent, next_s = sent + 1, next_s + 1.0 / RATE_HZ
            before = len(sender.detections)
            sender._executor.spin_once(timeout_sec=max(0.0, next_s - time.monotonic()))
            arrived_s += [time.monotonic()] * (len(sender.detections) - before)
        sender.wait_until(lambda: len(sender.timings) == first + FRAMES, "the timing of each frame", processes)
        received = str(sender.timings[-1].received)
        sender.wait_until(
            lambda: listener.values("clouds").get("received") == received, "the last frame in /diagnostics", processes
        )
        latency, clouds = listener.values("latency"), listener.values("clouds")
    for name in ("total", "age"):
        measured = np.median([getattr(timing, f"{name}_ms") for timing in sender.timings[first : first + FRAMES]])
        assert float(latency[f"{name} p50 (ms)"]) == pytest.approx(measured, rel=0.05)
    rate = (FRAMES - 1) / (arrived_s[-1] - arrived_s[0])
    print(f"\nrate {clouds['rate (Hz)']} Hz on /diagnostics, {rate:.3f} Hz measured outside")
    assert float(clouds["rate (Hz)"]) == pytest.approx(rate, rel=0.05)


def test_a_detector_that_is_killed_is_stale_and_one_that_is_started_again_is_an_event(tmp_path: Path) -> None:
    model = save_toy_bundle(tmp_path).folder
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        listener = Listener(sender, processes, model)
        listener.start_detector()
        listener.await_levels(DiagnosticStatus.OK)
        assert set(listener.statuses()) == set(TASKS)
        assert set_parameter(sender, "mode", "balanced") == (True, "")
        sender.wait_until(lambda: sends_until_mode(listener, "balanced"), "the change of mode in /diagnostics")
        os.kill(processes.pid("pointpillars_detector"), signal.SIGKILL)
        begin_s = time.monotonic()
        listener.await_levels(DiagnosticStatus.STALE)
        print(f"\nSTALE {time.monotonic() - begin_s:.2f} s after the detector was killed")
        assert "mode changed from latency to balanced" in " ".join(listener.values("events").values())
        listener.start_detector()
        listener.await_levels(DiagnosticStatus.OK)
        happened = listener.values("events")
        assert happened["restarts"] == "1"
        texts = [value.partition(" ")[2] for key, value in happened.items() if key.startswith("event ")]
        assert "the detector was restarted or configured again" in texts
        assert texts[0] == "mode changed from latency to balanced"
        answer = call(sender, Trigger, "snapshot", Trigger.Request(), node="pointpillars_diagnostics")
        snapshot = json.loads(answer.message)
        assert (answer.success, snapshot["level"]) == (True, "OK")
        assert snapshot["statuses"]["events"]["values"]["restarts"] == 1


def sends_until_mode(listener: Listener, mode: str) -> bool:
    """Send one cloud more; tell whether diagnostics know the mode."""
    listener.sender.clouds.publish(listener.sender.make_cloud(toy_cloud(0)))
    return listener.values("device").get("mode") == mode


def test_the_statuses_of_a_namespace_say_which() -> None:
    node = DiagnosticsNode(namespace="front")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with peer() as listener:
            node.start()

            def is_heard() -> bool:
                executor.spin_once(timeout_sec=0.05)
                return bool(listener.diagnostics)

            listener.wait_until(is_heard, "diagnostics")
            names = [status.name for status in listener.diagnostics[0].status]
    finally:
        node.destroy_node()
    assert names == [f"front/{DETECTOR}: {task}" for task in TASKS]
