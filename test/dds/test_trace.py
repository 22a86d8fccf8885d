# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The trace that a detector records: whole when it ends in order, readable when it is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import ROWS
from pointpillars_ov_ros.inference.trace.reader import read_trace
from test.dds.peers import nodes, peer
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")


@pytest.mark.parametrize(("mode", "is_killed"), [*((mode, False) for mode in Mode), (Mode.LATENCY, True)])
def test_every_stage_of_every_frame_is_recorded(tmp_path: Path, mode: Mode, is_killed: bool) -> None:
    path = tmp_path / "trace.json"
    parameters = {"encoder": "openvino", "lean_rpn": False, "drop_policy": "replay", "mode": mode.value}
    model = save_toy_bundle(tmp_path).folder
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        processes.start("pointpillars_detector", {"model_dir": str(model), "record_trace": str(path), **parameters})
        for number in range(4):
            sender.connect(toy_cloud(number), processes)
        frames = sender.timings[-1].completed

        def are_there() -> bool:
            try:
                return len(read_trace(path).events) == frames * len(ROWS) * 2
            except DatasetError:
                return False

        sender.wait_until(are_there, "the stages in the file", processes)
        assert "has no end" in read_trace(path).warning
        if is_killed:
            os.kill(processes.pid("pointpillars_detector"), signal.SIGKILL)
    trace = read_trace(path)
    assert (trace.warning == "") != is_killed
    assert trace.title.endswith(f", {mode.value} mode") and trace.devices == ("CPU", "CPU")
    assert {event.stage for event in trace.events} == set(ROWS)
    assert {event.sequence for event in trace.events} == set(range(frames))
