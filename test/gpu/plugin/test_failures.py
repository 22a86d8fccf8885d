# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels that fail cost their frames and no others; networks are freed as often as they are made."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.detector import ReloadableDetector, give_back_memory
from pointpillars_ov_ros.inference.engine import FAILURES_IN_A_ROW, Engine
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, Stage, StageTimes
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.dds.peers import rss_mb
from test.gpu.switches import Switches
from test.gpu.toy import CACHE_DIR, toy_cloud

PATIENCE_S = 120.0
GPU = RuntimeConfig(
    pfe_device="GPU",
    rpn_device="GPU",
    encoder=EncoderChoice.OPENVINO,
    precision=Precision.F32,
    drop_policy=DropPolicy.REPLAY,
    parity_check=False,
    cache_dir=CACHE_DIR,
)
ROUNDS = 50
MAX_GROWTH_MB = 40.0
"""Over the later half of the rounds; an engine that stays takes several MB, so half of them would show."""


def stamped() -> StageTimes:
    """Return the times of a cloud that was just received."""
    times = StageTimes.starting(Stage.CONVERT, time.monotonic_ns())
    times.end(Stage.CONVERT, time.monotonic_ns())
    return times


class Sender:
    """Sends clouds one after the other, and waits for each answer."""

    def __init__(self, engine: Engine) -> None:
        self._results: list[FrameResult] = []
        self._pipeline = engine.open_pipeline(self._results.append)

    def send(self, number: int) -> FrameResult:
        assert self._pipeline.submit(toy_cloud(number), number)
        assert self._pipeline.drain(PATIENCE_S)
        return self._results[-1]

    def close(self) -> None:
        self._pipeline.close()


@pytest.mark.parametrize("mode", [Mode.LATENCY, Mode.THROUGHPUT])
@pytest.mark.parametrize("encoder", [EncoderChoice.OPENVINO, EncoderChoice.HOST])
def test_a_frame_whose_kernel_fails_is_named_and_the_next_are_right(
    toy: ModelBundle, switches: Switches, mode: Mode, encoder: EncoderChoice
) -> None:
    engine = Engine(toy, dataclasses.replace(GPU, mode=mode, encoder=encoder))
    sender = Sender(engine)
    wanted = sender.send(3)
    assert not wanted.error
    with switches.on("fail_kernels"):
        failed = sender.send(3)
    network = "pfe" if encoder is EncoderChoice.OPENVINO else "rpn"
    assert failed.error.startswith((f"{network} failed", f"{network} could not be started"))
    assert len(failed.detections) == 0
    for _ in range(3):
        again = sender.send(3)
        assert not again.error
        np.testing.assert_allclose(again.detections.boxes, wanted.detections.boxes, atol=1e-5)
    sender.close()


def test_auto_whose_gpu_fails_at_run_time_goes_on_with_the_cpu_and_says_so(
    toy: ModelBundle, switches: Switches
) -> None:
    # Compiled anew, so that it begins on the CPU.
    runtime = dataclasses.replace(GPU, rpn_device="AUTO:GPU,CPU", encoder=EncoderChoice.HOST, cache_dir="")
    engine = open_engine(toy, runtime)
    sender = Sender(engine)
    wanted = sender.send(3)
    number = 0
    while engine.rpn.execution_devices != ("GPU.0",):
        assert not sender.send(number).error
        number += 1
    with switches.on("fail_kernels"):
        results = [sender.send(3) for _ in range(5)]
    assert not results[-1].error, results[-1].error
    np.testing.assert_allclose(results[-1].detections.boxes, wanted.detections.boxes, atol=1e-4)
    assert engine.rpn.execution_devices == ("CPU",)
    assert engine.effective_settings()["rpn"]["EXECUTION_DEVICES"] == "CPU"
    sender.close()


def test_auto_that_begins_on_a_gpu_asks_for_the_cpu_when_clouds_fail_there(
    toy: ModelBundle, switches: Switches, tmp_path: Path
) -> None:
    """From a cache, AUTO compiles for no other device, and does not move when the first one fails."""
    runtime = dataclasses.replace(
        GPU, rpn_device="AUTO:GPU,CPU", encoder=EncoderChoice.HOST, cache_dir=str(tmp_path / "cache")
    )
    first = Engine(toy, runtime)
    deadline = time.monotonic() + PATIENCE_S
    while first.is_moving:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine = Engine(toy, runtime)
    assert engine.rpn.execution_devices == ("GPU.0",)
    sender = Sender(engine)
    for _ in range(FAILURES_IN_A_ROW):
        assert not sender.send(3).error
    with switches.on("fail_kernels"):
        for _ in range(FAILURES_IN_A_ROW):
            assert engine.fallback is None
            assert sender.send(3).error
    assert engine.fallback is not None and engine.fallback.rpn_device == "CPU"
    sender.close()
    assert not Sender(Engine(toy, engine.fallback)).send(3).error


def test_an_engine_is_replaced_and_freed_fifty_times_under_load(toy: ModelBundle) -> None:
    """As ~/reload and cleanup do it, while another thread keeps the interpreter busy."""
    runtime = dataclasses.replace(GPU, mode=Mode.BALANCED)
    is_over = threading.Event()

    def keep_busy() -> None:
        while not is_over.is_set():
            sum(range(10_000))
            # A core for itself would only make the test longer.
            time.sleep(0.002)

    busy = threading.Thread(target=keep_busy, daemon=True)
    busy.start()
    results: list[FrameResult] = []
    sizes = []
    detector = ReloadableDetector(Engine(toy, runtime), results.append)
    detector.open(runtime)
    try:
        for number in range(ROUNDS):
            for k in range(3):
                detector.submit(toy_cloud(k), 3 * number + k, stamped())
            replaced = threading.Event()
            detector.replace(Engine(toy, runtime), replaced.set)
            assert replaced.wait(PATIENCE_S), f"the engine of round {number} was not freed"
            give_back_memory()
            sizes.append(rss_mb(os.getpid()))
    finally:
        is_over.set()
    detector.close()
    del detector
    gc.collect()
    assert [result.token for result in results] == list(range(3 * ROUNDS))
    assert not [result.error for result in results if result.error]
    assert max(sizes[ROUNDS // 2 :]) - sizes[ROUNDS // 2] < MAX_GROWTH_MB, sizes
