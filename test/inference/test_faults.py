# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inferences that really fail or hang, in OpenVINO's CPU plugin, in the middle of the pipeline."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, RuntimeConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.fake_slot import PATIENCE_S, Received
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud

every_mode = pytest.mark.parametrize("mode", Mode)
every_network = pytest.mark.parametrize("network", ["pfe", "rpn"])
# Two streams, so that the device goes on while an inference hangs.
RUNTIME = RuntimeConfig(
    encoder=EncoderChoice.OPENVINO,
    lean_rpn=False,
    num_streams=2,
    inference_timeout=0.5,
    drop_policy=DropPolicy.REPLAY,
)
CLOUDS = 12
LONG_S = 3 * PATIENCE_S


Bundles = dict[Weakness, ModelBundle]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Return a bundle for each way in which a network may fail on bright clouds."""
    weaknesses = [Weakness(network, trouble) for network in ("pfe", "rpn") for trouble in Trouble]
    return {weakness: save_toy_bundle(tmp_path_factory.mktemp("toy"), weakness) for weakness in weaknesses}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[Detections]:
    """Return the detections in each cloud, found one by one by networks that neither fail nor hang."""
    engine = Engine(save_toy_bundle(tmp_path_factory.mktemp("toy")), RUNTIME)
    detections = [engine.slots[0].detect(toy_cloud(number), engine.settings) for number in range(CLOUDS)]
    assert len({detected.scores.tobytes() for detected in detections if len(detected)}) == CLOUDS
    return detections


def make_engine(bundle: ModelBundle, mode: Mode, **changes: object) -> Engine:
    return Engine(bundle, dataclasses.replace(RUNTIME, mode=mode, **changes))  # type: ignore[arg-type]


def assert_right(results: list[FrameResult], wanted: list[Detections]) -> None:
    """Every result that is no failure holds what is in its cloud."""
    for result in results:
        if not result.error:
            np.testing.assert_allclose(result.detections.boxes, wanted[result.token].boxes, rtol=1e-5)
            np.testing.assert_allclose(result.detections.scores, wanted[result.token].scores, rtol=1e-5)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until it holds; an Event that nobody sets is the pause in between."""
    pause = threading.Event()
    for _ in range(int(LONG_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("waited in vain")


@every_mode
@every_network
def test_a_failing_inference_costs_its_frame_only(
    bundles: Bundles, wanted: list[Detections], mode: Mode, network: str
) -> None:
    engine, received = make_engine(bundles[Weakness(network, Trouble.FAILS)], mode), Received()
    slots = list(engine.slots)
    pipeline = engine.open_pipeline(received)
    for number in range(CLOUDS):
        assert pipeline.submit(toy_cloud(number, bright=number in (4, 5)), number)
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    assert [result.token for result in received.results] == list(range(CLOUDS))
    failed = {result.token: result.error for result in received.results if result.error}
    assert list(failed) == [4, 5]
    assert all(error.startswith(f"{network} failed: ") and "\n" not in error for error in failed.values())
    assert_right(received.results, wanted)
    assert pipeline.counts == Counts(submitted=CLOUDS, completed=CLOUDS - 2, failed=2)
    assert engine.hung_slots == []
    assert engine.slots == slots


@every_mode
@every_network
def test_close_with_a_failing_frame_in_flight_gives_every_result(
    bundles: Bundles, wanted: list[Detections], mode: Mode, network: str
) -> None:
    engine, received = make_engine(bundles[Weakness(network, Trouble.FAILS)], mode), Received()
    for _ in range(2):
        received.results.clear()
        pipeline = engine.open_pipeline(received)
        for number in range(5):
            assert pipeline.submit(toy_cloud(number, bright=number == 3), number)
        pipeline.close()
        counts = pipeline.counts
        assert counts.pending == 0
        assert counts.dropped <= 1
        assert [result.token for result in received.results] == list(range(5 - counts.dropped))
        assert [result.token for result in received.results if result.error] == [3]
        assert_right(received.results, wanted)


@pytest.mark.parametrize(("mode", "network"), [(Mode.LATENCY, "rpn"), (Mode.THROUGHPUT, "pfe")])
def test_an_inference_that_hangs_costs_its_frame_only(
    bundles: Bundles, wanted: list[Detections], mode: Mode, network: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the clouds after it wait until it ends is up to the plugin: CPU may not make a request before."""
    engine, received = make_engine(bundles[Weakness(network, Trouble.HANGS)], mode), Received()
    engine.stuck_timeout_s = LONG_S
    if len(engine.slots) > 1 and engine.effective_settings()[network]["NUM_STREAMS"] == "1":
        pytest.skip("one core, one stream: what is started behind an inference that hangs, hangs as well")
    slots, hung_at = len(engine.slots), dict[int, int]()

    def on_result(result: FrameResult) -> None:
        hung_at.setdefault(result.token, len(engine.hung_slots))
        received(result)

    pipeline = engine.open_pipeline(on_result)
    for number in range(CLOUDS):
        assert pipeline.submit(toy_cloud(number, bright=number == 2), number)
    assert pipeline.drain(LONG_S)
    wait_until(lambda: not engine.hung_slots and len(engine.slots) == slots + 1)
    for number in range(CLOUDS):
        assert pipeline.submit(toy_cloud(number), number)
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    assert [result.token for result in received.results] == 2 * list(range(CLOUDS))
    assert {result.token: result.error for result in received.results if result.error} == {
        2: f"{network.upper()} did not end within 0.5 s"
    }
    assert hung_at[2] == 1
    assert_right(received.results, wanted)
    assert pipeline.counts == Counts(submitted=2 * CLOUDS, completed=2 * CLOUDS - 1, failed=1)
    assert "replaces one that hangs" in caplog.text


def test_a_slot_that_hangs_at_the_end_is_not_given_to_the_next_pipeline(
    bundles: Bundles, wanted: list[Detections], caplog: pytest.LogCaptureFixture
) -> None:
    engine, received = make_engine(bundles[Weakness("rpn", Trouble.HANGS)], Mode.LATENCY), Received()
    engine.stuck_timeout_s = LONG_S
    (hung,) = engine.slots
    pipeline = engine.open_pipeline(received)
    pipeline.submit(toy_cloud(0, bright=True), 0)
    assert received.await_count(1)[0].error
    pipeline.close()
    again = engine.open_pipeline(received)
    assert len(engine.slots) == 2
    for number in range(CLOUDS):
        assert again.submit(toy_cloud(number), number)
    assert again.drain(LONG_S)
    wait_until(lambda: not engine.hung_slots)
    engine.set_mode(Mode.THROUGHPUT)
    most = SCHEDULES[Mode.THROUGHPUT].slots_for(engine.rpn.optimal_requests)
    assert hung in engine.slots and len(engine.slots) == most, "the mode has its number with it"
    for number in range(CLOUDS):
        assert again.submit(toy_cloud(number), number)
    assert again.drain(PATIENCE_S)
    again.close()
    assert [result.token for result in received.results if result.error] == [0]
    assert len(received.results) == 1 + 2 * CLOUDS
    assert_right(received.results, wanted)


def test_a_process_ends_though_an_inference_does_not(bundles: Bundles) -> None:
    """To free the memory of its request would wait for it."""
    folder = bundles[Weakness("rpn", Trouble.NEVER_ENDS)].folder
    ended = subprocess.run([sys.executable, "-c", LEAVES, str(folder)], timeout=LONG_S, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "RPN did not end within 0.2 s, 1 hangs\n"


LEAVES = """
import sys
from pathlib import Path
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import load_bundle
from test.inference.fake_slot import Received
from test.inference.toy_bundle import toy_cloud

def main():
    runtime = RuntimeConfig(lean_rpn=False, inference_timeout=0.2)
    engine, received = Engine(load_bundle(Path(sys.argv[1])), runtime), Received()
    pipeline = engine.open_pipeline(received)
    pipeline.submit(toy_cloud(0, bright=True), 0)
    error = received.await_count(1)[0].error
    pipeline.close()
    print(f"{error}, {len(engine.hung_slots)} hangs")

main()
"""
