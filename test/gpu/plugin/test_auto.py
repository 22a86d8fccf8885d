# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUTO begins on the CPU and moves to the GPU: no cloud is lost, and what it keeps to itself is found out and said."""

from __future__ import annotations

import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import (
    DropPolicy,
    EncoderChoice,
    Mode,
    OnMismatch,
    Precision,
    RuntimeConfig,
)
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.gpu.plugin.test_engines import CPU, MARGIN, clouds, compare
from test.gpu.switches import Switches
from test.gpu.toy import toy_cloud
from test.inference.parity.tampered import noisy, tamper, weights

PATIENCE_S = 120.0
MUCH_MS = 300_000
"""Duration of a build that a test ends."""
AUTO = RuntimeConfig(
    rpn_device="AUTO:GPU,CPU", encoder=EncoderChoice.HOST, precision=Precision.F32, drop_policy=DropPolicy.REPLAY
)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("mode", [Mode.LATENCY, Mode.THROUGHPUT])
def test_no_cloud_is_lost_across_the_move_and_the_answers_are_the_same(
    toy: ModelBundle, switches: Switches, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switches.turn_on("build_ms", MUCH_MS)
    engine = open_engine(toy, dataclasses.replace(AUTO, mode=mode))
    assert engine.rpn.execution_devices == ("(CPU)",)
    results: list[FrameResult] = []
    pipeline = engine.open_pipeline(results.append)
    number = 0
    # Until the GPU has had some clouds.
    after = 10
    while after:
        if number == 50:
            switches.turn_off("build_ms")
        pipeline.submit(toy_cloud(number % 50), number)
        number += 1
        after -= engine.rpn.execution_devices == ("GPU.0",)
        assert number < 20_000
        time.sleep(0.005)
    wait_until(lambda: "after AUTO's move: parity: " in caplog.text, "the second check")
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    assert [(result.token, result.error) for result in results] == [(token, "") for token in range(number)]
    assert "RPN on GPU.0 in f32 agrees" in caplog.text
    for late in results[-10:]:
        early = results[late.token % 50]
        np.testing.assert_allclose(late.detections.boxes, early.detections.boxes, atol=1e-4)
    if mode is Mode.THROUGHPUT:
        assert len(engine.slots) >= engine.rpn.optimal_requests + 2, "the GPU asks for more than the CPU did"


@pytest.mark.parametrize(
    ("precision", "shift_m"), [(Precision.F32, 1e-3), (Precision.DEFAULT, 0.1)], ids=["f32", "default"]
)
def test_ten_frames_of_the_cropped_networks_are_those_of_the_cpu_across_the_move(
    cropped: ModelBundle, switches: Switches, precision: Precision, shift_m: float
) -> None:
    """The device's own log of kernels says which frames it has computed: half of them, the others the CPU."""
    reference = Engine(cropped, CPU)
    sent = clouds(cropped.config, 10)
    wanted = [reference.slots[0].detect(points, reference.settings) for points in sent]
    switches.turn_on("build_ms", MUCH_MS)
    engine = Engine(cropped, dataclasses.replace(AUTO, precision=precision))
    results: list[FrameResult] = []
    pipeline = engine.open_pipeline(results.append)
    kernels = []
    for number, points in enumerate(sent):
        if number == 5:
            switches.turn_off("build_ms")
            wait_until(lambda: not engine.is_moving, "the end of the move")
        switches.start_log()
        pipeline.submit(points, number)
        assert pipeline.drain(PATIENCE_S)
        kernels.append(len(switches.read_log().kernels))
    pipeline.close()
    assert not any(kernels[:5])
    assert all(kernels[5:])
    assert engine.rpn.execution_devices == ("GPU.0",)
    assert [(result.token, result.error) for result in results] == [(number, "") for number in range(10)]
    sure = reference.settings.score_threshold + MARGIN
    compared = [compare(wanted[n], results[n].detections, sure, shift_m) for n in range(10)]
    assert min(sum(compared[:5]), sum(compared[5:])) > 10


def test_a_device_that_is_not_reached_is_named_with_the_reason(
    toy: ModelBundle, switches: Switches, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with switches.on("fail_builds"):
        engine = open_engine(toy, AUTO)
        wait_until(lambda: any("was not reached" in warning for warning in engine.warnings), "the warning")
    (warning,) = [warning for warning in engine.warnings if "was not reached" in warning]
    assert warning.startswith("rpn_device: AUTO:GPU,CPU stays on CPU, since GPU.0 was not reached: ")
    assert "ProgramBuilder build failed" in warning
    wait_until(lambda: "pointpillars-auto" not in {thread.name for thread in threading.enumerate()}, "the last check")
    assert not engine.parity.failed
    assert "after AUTO's move" not in caplog.text


def test_an_engine_that_nobody_checks_is_followed_all_the_same(
    toy: ModelBundle, switches: Switches, tmp_path: Path
) -> None:
    """As `evaluate`, `benchmark` and `detect_bag` make it."""
    cache = tmp_path / "cache"
    with switches.on("build_ms", 200):
        engine = Engine(toy, dataclasses.replace(AUTO, mode=Mode.THROUGHPUT, cache_dir=str(cache)))
        before = len(engine.slots)
        wait_until(lambda: not engine.is_moving, "the end of the move")
    assert engine.rpn.execution_devices == ("GPU.0",)
    blobs = list(cache.glob("*.blob"))
    assert blobs and all(path.with_name(f"{path.name}.sha256").exists() for path in blobs)
    assert len(engine.slots) >= max(before, engine.rpn.optimal_requests + 2)
    called: list[Engine] = []
    engine.call_after_move(called.append)
    assert called == [engine]


def test_what_is_compiled_in_the_background_is_signed_when_it_is_written(
    toy: ModelBundle, switches: Switches, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    runtime = dataclasses.replace(AUTO, cache_dir=str(cache))

    def unsigned() -> list[Path]:
        return [path for path in cache.glob("*.blob") if not path.with_name(f"{path.name}.sha256").exists()]

    with switches.on("build_ms", 200):
        engine = open_engine(toy, runtime)
        wait_until(lambda: engine.rpn.execution_devices == ("GPU.0",), "the move")
    wait_until(lambda: not unsigned(), "signatures")
    assert list(cache.glob("*.blob"))
    assert "does not store" not in caplog.text
    # The next start finds it, and has no reason to begin elsewhere.
    again = open_engine(toy, runtime)
    wait_until(lambda: again.rpn.execution_devices == ("GPU.0",), "the second start")
    assert "does not store" not in caplog.text


@pytest.mark.parametrize("action", OnMismatch)
def test_other_answers_after_the_move_have_the_consequences_asked_for(
    toy: ModelBundle, switches: Switches, tmp_path: Path, action: OnMismatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPU is right, so here the reference is changed as soon as the network has moved."""
    wrong = tamper(toy, tmp_path / "wrong", weights(noisy))
    with switches.on("build_ms", MUCH_MS):
        engine = open_engine(toy, dataclasses.replace(AUTO, on_mismatch=action))
        assert not engine.parity.failed
        monkeypatch.setattr(engine, "bundle", wrong)
    wait_until(lambda: engine.parity.failed, "the mismatch")
    assert engine.parity.text.startswith("after AUTO's move: ")
    wait_until(lambda: (engine.fallback is not None) == (action is OnMismatch.FALLBACK_CPU), "the fallback")
    assert engine.must_stop == (action is OnMismatch.ERROR)


def test_an_engine_that_is_freed_before_the_move_is_gone(toy: ModelBundle, switches: Switches) -> None:
    import weakref

    with switches.on("build_ms", 300):
        engine = open_engine(toy, AUTO)
        reference: weakref.ref[Engine] = weakref.ref(engine)
        del engine
        wait_until(lambda: gc.collect() >= 0 and reference() is None, "the end of the engine")
