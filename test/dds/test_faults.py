# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector as a process on a device that fails or hangs: what the topics say, and how it recovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.ros.timing_message import FrameTiming
from test.dds.peers import Peer, nodes, peer, stamp_of
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")


class Bench:
    """A detector of toy networks, its diagnostics, and their peer."""

    def __init__(self, sender: Peer, processes: NodeProcesses) -> None:
        """Wait until the detector answers; `before` is what it said then."""
        self.sender, self.processes = sender, processes
        self.before = sender.connect(toy_cloud(0), processes)
        self.sent: list[tuple[int, int]] = []
        self.heard = 0

    def send(self, bright: bool = False) -> FrameTiming:
        """Send a cloud, and return its timing."""
        cloud = self.sender.make_cloud(toy_cloud(len(self.sent), bright))
        stamp = stamp_of(cloud)
        self.sent.append(stamp)
        self.heard = len(self.sender.diagnostics)
        self.sender.clouds.publish(cloud)
        self.wait_until(lambda: stamp in self.sender.timing_of, f"the result of cloud {len(self.sent)}")
        return self.sender.timing_of[stamp]

    def said_of_device(self) -> list[DiagnosticStatus]:
        """Return all diagnostics of the device since the last cloud was sent."""
        statuses = [status for message in self.sender.diagnostics[self.heard :] for status in message.status]
        return [status for status in statuses if status.name == "pointpillars_detector: device"]

    def await_device(self, level: bytes, begin: str) -> None:
        """Wait until diagnostics say so."""
        self.wait_until(
            lambda: any(status.level == level and status.message.startswith(begin) for status in self.said_of_device()),
            f"{begin!r} in /diagnostics",
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        self.sender.wait_until(condition, what, self.processes)


@contextmanager
def bench(folder: Path, weakness: Weakness, **parameters: object) -> Iterator[Bench]:
    """Start the nodes."""
    model = save_toy_bundle(folder, weakness).folder
    with peer() as sender, nodes(folder / "logs") as processes:
        settings = {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False, "drop_policy": "replay"}
        # Devices in f32 are what the parity check compares with; whatever else the CPU likes is not asked here.
        settings["precision"] = "f32"
        # The one wild intensity of a bright cloud is not to be taken for the scale of all.
        settings["intensity_scale"] = 1.0
        processes.start("pointpillars_detector", {**settings, **parameters})
        processes.start(
            "pointpillars_diagnostics", {"period": 0.1, "stale_after": 1.0, "error_failures": 3, "recovery": 1}
        )
        running = Bench(sender, processes)
        # Diagnostics have to have found the detector, too.
        while not any(status.level == DiagnosticStatus.OK for status in running.said_of_device()):
            running.send()
        running.sender.detections.clear()
        running.sent.clear()
        running.before = running.sender.timings[-1]
        yield running


def test_a_device_that_fails_at_every_frame_is_an_error_until_one_succeeds(tmp_path: Path) -> None:
    with bench(tmp_path, Weakness("rpn", Trouble.FAILS)) as running:
        assert running.send().failing == 0
        for count in range(1, 9):
            timing = running.send(bright=True)
            assert (timing.failing, timing.failed) == (count, count)
            assert timing.error.startswith("rpn failed: ")
        running.await_device(DiagnosticStatus.ERROR, "failing for 8 frames: rpn failed: ")
        timing = running.send()
        assert (timing.failing, timing.failed, timing.error) == (0, 8, "")
        running.await_device(DiagnosticStatus.OK, "PFE on CPU")
        assert [stamp_of(array) for array in running.sender.detections] == [running.sent[0], running.sent[-1]]
    log = (tmp_path / "logs" / "pointpillars_detector.log").read_text()
    assert 1 <= log.count("a cloud failed: rpn failed") < 8, "it is throttled"
    assert "recovered after 8 failed clouds" in log


def test_an_inference_that_hangs_is_an_error_until_the_device_gives_it_back(tmp_path: Path) -> None:
    with bench(tmp_path, Weakness("pfe", Trouble.HANGS), inference_timeout=0.5, num_streams=2) as running:
        assert running.send().hung == 0
        timing = running.send(bright=True)
        assert timing.error == "PFE did not end within 0.5 s"
        assert (timing.hung, timing.failing) == (1, 1)
        running.await_device(DiagnosticStatus.ERROR, "inferences that hang: 1")
        while running.send().hung:
            pass
        running.await_device(DiagnosticStatus.OK, "PFE on CPU")
        timing = running.sender.timings[-1]
        assert (timing.failed, timing.completed) == (1, running.before.completed + len(running.sent) - 1)
        assert timing.received == running.before.received + len(running.sent)


def test_a_silence_while_an_inference_hangs_remains_an_error_and_the_process_can_be_ended(tmp_path: Path) -> None:
    with bench(tmp_path, Weakness("rpn", Trouble.NEVER_ENDS), inference_timeout=0.2) as running:
        assert running.send(bright=True).hung == 1
        running.await_device(DiagnosticStatus.ERROR, "inferences that hang: 1, no frame for 1")
        processes = running.processes
    # Leaving the context interrupts the nodes, and kills what does not end in ten seconds.
    assert processes.has_ended("pointpillars_detector")
