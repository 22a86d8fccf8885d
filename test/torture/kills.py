# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector is killed, again and again, while clouds come."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from ..inference.toy_bundle import save_toy_bundle, toy_cloud
from .arena import DETECTOR, Arena
from .scenario import Scenario, scenario

SCENARIOS: list[Scenario] = []
_KILLS = 30


@scenario(SCENARIOS, "kill -9 of the detector, 30 times, while 2 MB clouds come at 20 Hz", "each one after it is heard")
def killed_again_and_again(folder: Path, kills: int = _KILLS) -> str:
    with Arena(folder) as arena:
        model = save_toy_bundle(folder / "toy").folder
        cloud = folder / "cloud.bin"
        # Many points, nearly all out of the toy network's range, so that sharing memory is most of the work.
        np.concatenate([toy_cloud(0), np.full((120_000, 4), 500, np.float32)]).tofile(cloud)
        parameters = {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False, "parity_check": False}
        arena.start_checker()
        arena.nodes.start(DETECTOR, parameters)
        arena.start_sender([cloud], "20:3000")
        delays_s = []
        for number in range(kills):
            heard = len(arena.account().detections)
            begin_s = time.monotonic()
            arena.wait_until(
                lambda before=heard: len(arena.account().detections) > before + 5, f"detections after {number} kills"
            )
            delays_s.append(time.monotonic() - begin_s)
            os.kill(arena.nodes.pid(DETECTOR), signal.SIGKILL)
            arena.nodes.start(DETECTOR, parameters)
        return f"detections again after {np.median(delays_s):.1f} s in the median, {max(delays_s):.1f} s at most"
