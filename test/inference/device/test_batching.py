# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests joined into batches by `BATCH:CPU(4)`: they are done in groups and out of order, results leave in order."""

from __future__ import annotations

import dataclasses
import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network, Request
from pointpillars_ov_ros.inference.device.properties import Batching
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import is_reference
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, Stage, StageEvent
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import Ports
from test.inference.fake_slot import PATIENCE_S
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.inference.toy_models import save_doubler

BATCH = "BATCH:CPU(4)"
CLOUDS = 40
LONG_MS = 3000
"""Much longer than anything that is done before it is over; to close such a network takes as long."""
PLAIN = RuntimeConfig(
    encoder=EncoderChoice.OPENVINO, precision=Precision.F32, drop_policy=DropPolicy.REPLAY, parity_check=False
)
BATCHED = dataclasses.replace(PLAIN, rpn_device=BATCH, mode=Mode.THROUGHPUT)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("toy"))


def detect_all(engine: Engine) -> tuple[list[FrameResult], list[StageEvent]]:
    """Send all clouds down the pipeline."""
    results: list[FrameResult] = []
    events: list[StageEvent] = []
    pipeline = engine.open_pipeline(results.append, events.append)
    for number in range(CLOUDS):
        pipeline.submit(toy_cloud(number), number)
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    return results, events


@pytest.mark.parametrize("lean", [True, False], ids=["lean", "as it is"])
def test_what_comes_back_out_of_order_is_published_in_order_and_is_the_same(toy: ModelBundle, lean: bool) -> None:
    wanted, _ = detect_all(Engine(toy, dataclasses.replace(PLAIN, lean_rpn=lean)))
    engine = Engine(toy, dataclasses.replace(BATCHED, lean_rpn=lean, auto_batch_timeout_ms=100))
    assert engine.is_lean == lean and engine.rpn.batching == Batching(4, 100)
    # The last requests are too few for a batch: they wait for the timeout, and later ones overtake them.
    assert len(engine.slots) % 4
    results, events = detect_all(engine)
    done = [event.sequence for event in events if event.stage is Stage.RPN and event.is_end]
    assert sorted(done) == list(range(CLOUDS)) and done != sorted(done)
    assert [result.token for result in results] == list(range(CLOUDS))
    for result, other in zip(results, wanted, strict=True):
        assert not result.error
        for name in ("boxes", "scores", "labels"):
            np.testing.assert_array_equal(getattr(result.detections, name), getattr(other.detections, name))


class Started:
    """A request under way."""

    def __init__(self, request: Request, value: float) -> None:
        self.request, self.is_done = request, threading.Event()
        request.tensor("in")[:] = value
        request.start(self.is_done.set)

    def finish(self) -> float:
        assert self.is_done.wait(PATIENCE_S)
        self.request.finish()
        return float(self.request.tensor("out")[0, 0])


def test_requests_are_done_in_groups_and_not_in_the_order_of_their_starts(tmp_path: Path) -> None:
    properties = {"AUTO_BATCH_TIMEOUT": LONG_MS, "PERFORMANCE_HINT": "THROUGHPUT"}
    network = Network(save_doubler(tmp_path), BATCH, properties, Ports({"in": (1, 4)}, {"out": (1, 4)}))
    # Each four of them share a batch, in the order in which they were made.
    requests = [network.create_request() for _ in range(8)]
    lone = Started(requests[4], 4.0)
    few = [Started(requests[number], number) for number in range(3)]
    assert not any(started.is_done.wait(LONG_MS / 1e3 / 20) for started in (lone, *few))
    group = [*few, Started(requests[3], 3.0)]
    assert [started.finish() for started in group] == [0.0, 2.0, 4.0, 6.0]
    assert not lone.is_done.is_set(), "the first to be started is the last to be done"
    rest = [Started(requests[number], number) for number in (5, 6, 7)]
    assert [started.finish() for started in (lone, *rest)] == [8.0, 10.0, 12.0, 14.0]


def test_settings_that_cost_time_are_logged_once(toy: ModelBundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        engine = Engine(toy, dataclasses.replace(BATCHED, mode=Mode.LATENCY))
        engine.open_pipeline(lambda result: None).close()
    (warning,) = engine.warnings
    assert warning.startswith("rpn_device: every cloud waits 20 ms for nothing, since batches of 4 never fill")
    assert [record.message for record in caplog.records] == [warning]
    engine.set_mode(Mode.BALANCED)
    assert "balanced mode" in engine.warnings[0]


def test_a_network_behind_batch_is_not_its_own_reference(toy: ModelBundle) -> None:
    exact = dataclasses.replace(PLAIN, lean_rpn=False)
    assert is_reference(Engine(toy, exact))
    assert not is_reference(Engine(toy, dataclasses.replace(exact, rpn_device=BATCH)))
