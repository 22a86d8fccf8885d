# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An engine takes another one's place between two clouds, and no result waits for ever whatever fails meanwhile."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator

import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.inference.detector import ReloadableDetector
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageTimes
from pointpillars_ov_ros.inference.pipeline.pipeline import Pipeline
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.fake_slot import PATIENCE_S, Received
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

RUNTIME = RuntimeConfig(encoder=EncoderChoice.OPENVINO, drop_policy=DropPolicy.REPLAY, inference_timeout=0.0)
LONG_S = 3 * PATIENCE_S


class Detecting:
    """A detector that is open, and what comes of its clouds."""

    def __init__(self, bundle: ModelBundle) -> None:
        self.received = Received()
        self.detector = ReloadableDetector(Engine(bundle, RUNTIME), self.received)
        self.detector.open(RUNTIME)

    def submit(self, *numbers: int) -> None:
        for number in numbers:
            self.detector.submit(toy_cloud(number), number, StageTimes.starting(Stage.CONVERT, time.monotonic_ns()))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def detecting(bundle: ModelBundle) -> Iterator[Detecting]:
    detecting = Detecting(bundle)
    yield detecting
    detecting.detector.close()


def test_every_cloud_of_both_engines_has_a_result_in_order_and_is_counted(
    detecting: Detecting, bundle: ModelBundle
) -> None:
    detecting.submit(0, 1, 2)
    replaced = threading.Event()
    engine = Engine(bundle, RUNTIME)
    detecting.detector.replace(engine, replaced.set)
    detecting.submit(3, 4)
    results = detecting.received.await_count(5)
    assert replaced.is_set() and detecting.detector.engine is engine
    assert [result.token for result in results] == [0, 1, 2, 3, 4]
    assert [result.counts.completed for result in results] == [1, 2, 3, 4, 5]
    assert detecting.detector.counts.completed == 5


@pytest.mark.parametrize("fails", ["drain", "close", "announcement"])
def test_results_of_the_new_engine_leave_where_the_old_one_cannot_be_closed(
    detecting: Detecting, bundle: ModelBundle, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detecting.submit(0)
    detecting.received.await_count(1)
    announced = threading.Event()

    def announce() -> None:
        announced.set()
        if fails == "announcement":
            raise RuntimeError("no announcement")

    old = detecting.detector._pipeline
    assert old is not None
    if fails != "announcement":
        real = getattr(Pipeline, fails)

        def fail(pipeline: Pipeline, *arguments: object) -> object:
            if pipeline is old:
                raise RuntimeError(f"no {fails}")
            return real(pipeline, *arguments)

        monkeypatch.setattr(Pipeline, fails, fail)
    detecting.detector.replace(Engine(bundle, RUNTIME), announce)
    detecting.submit(1, 2)
    results = detecting.received.await_count(3)
    assert announced.wait(LONG_S)
    assert [result.token for result in results] == [0, 1, 2]
    monkeypatch.undo()
    old.close()
    assert detecting.detector.counts.completed == 3


def test_what_may_change_while_clouds_come_does(detecting: Detecting) -> None:
    changed = dataclasses.replace(RUNTIME, score_threshold=0.9, drop_policy=DropPolicy.LIVE)
    detecting.detector.change(changed)
    assert detecting.detector.policy is DropPolicy.LIVE
    assert detecting.detector.engine.settings.score_threshold == 0.9
    detecting.submit(0)
    (result,) = detecting.received.await_count(1)
    assert (result.detections.scores >= 0.9).all()
