# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The PFE in blocks of pillars: same numbers, no more blocks than needed, done exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.core.config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfe
from pointpillars_ov_ros.core.errors import InferenceError
from pointpillars_ov_ros.inference.memory import SharedMemory
from pointpillars_ov_ros.inference.network import Network
from pointpillars_ov_ros.inference.pfe_stage import PfeStage
from pointpillars_ov_ros.inference.ports import pfe_ports

from ..builders import Points, grouped, random_cloud, tiny_config
from .toy_models import save_toy_pfe

PATIENCE_S = 30.0
CONFIG = tiny_config()
PILLARS = CONFIG.grid.max_pillars


@pytest.fixture(scope="module")
def toy_pfe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_pfe(tmp_path_factory.mktemp("toy"), CONFIG)


def make_stage(path: Path, block: int) -> PfeStage:
    network = Network(
        path,
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
        pfe_ports(CONFIG, PILLARS),
        reshape=pfe_ports(CONFIG, block).inputs,
    )
    return PfeStage(network, CONFIG, block)


def encode(stage: PfeStage, points: Points) -> npt.NDArray[np.float32]:
    """Give the features (pillars, C) of a cloud."""
    pillars = grouped(points, CONFIG.grid)
    DensePfe(CONFIG.grid, stage.inputs).fill(pillars)
    calls: list[None] = []
    called = threading.Event()

    def done() -> None:
        calls.append(None)
        called.set()

    stage.start(pillars.size, done)
    assert called.wait(PATIENCE_S)
    stage.finish()
    assert stage.is_finished()
    assert len(calls) == 1
    return stage.features.transpose(0, 2, 1).reshape(-1, CONFIG.rpn.channels)[: pillars.size].copy()


@pytest.mark.parametrize("count", [0, 1, 30, 500])
@pytest.mark.parametrize("block", [1, 7, 20, 30, 59, 60])
def test_blocks_give_the_features_of_one_block_of_all_pillars(toy_pfe: Path, block: int, count: int) -> None:
    points = random_cloud(np.random.default_rng(count), count, CONFIG.grid)
    whole = encode(make_stage(toy_pfe, PILLARS), points)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(encode(make_stage(toy_pfe, block), points), whole, rtol=1e-5)


def test_the_toy_pfe_tells_all_eight_inputs_apart(toy_pfe: Path) -> None:
    stage = make_stage(toy_pfe, PILLARS)
    point = np.array([(0.33, -1.15, -0.5, 0.25)], np.float32)
    center_x, center_y = 0.1 + 2 * 0.16, -1.55 + 2 * 0.2
    values = np.array([0.33, -1.15, -0.5, 0.25, center_x, center_y, 1.0])
    expected = np.arange(1, 22).reshape(3, 7) @ values
    np.testing.assert_allclose(encode(stage, point)[0], expected, rtol=1e-5)


def test_a_stage_used_again_gives_what_a_fresh_one_gives(toy_pfe: Path) -> None:
    stage, rng = make_stage(toy_pfe, 20), np.random.default_rng(1)
    for count in (500, 3, 0, 40, 500):
        points = random_cloud(rng, count, CONFIG.grid)
        np.testing.assert_allclose(encode(stage, points), encode(make_stage(toy_pfe, 20), points), rtol=1e-5)


@pytest.mark.parametrize(("pillars", "blocks"), [(0, 1), (1, 1), (19, 1), (20, 1), (21, 2), (40, 2), (41, 3), (60, 3)])
def test_only_blocks_that_hold_a_pillar_run(toy_pfe: Path, pillars: int, blocks: int) -> None:
    stage = make_stage(toy_pfe, 20)
    for array in stage.inputs:
        array.fill(1.0)
    stage.features.fill(np.nan)
    stage.start(pillars, lambda: None)
    stage.finish()
    assert np.isfinite(stage.features).all(axis=(1, 2)).tolist() == [k < blocks for k in range(3)]


class FakeRequest:
    """A request whose start or end fails when told to, and that ends only when the test says so."""

    def __init__(self) -> None:
        self.fails_to_start = False
        self.fails = False
        self.running = False
        self.waited = 0
        self.done: Callable[[], None] = lambda: None

    def bind(self, name: str, array: npt.NDArray[np.float32]) -> None:
        pass

    def start(self, done: Callable[[], None]) -> None:
        if self.fails_to_start:
            raise InferenceError("no start")
        self.done, self.running = done, True

    def is_finished(self) -> bool:
        return not self.running

    def finish(self) -> None:
        self.running = False
        self.waited += 1
        if self.fails:
            raise InferenceError("no end")

    def end(self) -> None:
        self.running = False
        self.done()


class FakeNetwork:
    """Makes fake requests and keeps them."""

    def __init__(self) -> None:
        self.requests: list[FakeRequest] = []
        self.memory = SharedMemory()

    def create_request(self) -> FakeRequest:
        self.requests.append(FakeRequest())
        return self.requests[-1]


def fake_stage(config: ModelConfig = CONFIG) -> tuple[PfeStage, list[FakeRequest]]:
    network = FakeNetwork()
    stage = PfeStage(network, config, 20)  # type: ignore[arg-type]
    return stage, network.requests


def test_the_stage_is_done_with_the_last_block_whichever_that_is() -> None:
    stage, requests = fake_stage()
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        calls: list[None] = []
        stage.start(60, lambda calls=calls: calls.append(None))  # type: ignore[misc]
        for position, index in enumerate(order):
            assert not stage.is_finished()
            assert calls == []
            requests[index].end()
            assert len(calls) == (position == 2)
        assert stage.is_finished()
        stage.finish()


def end_all_at_once(requests: list[FakeRequest]) -> None:
    gate = threading.Barrier(len(requests))

    def end(request: FakeRequest) -> None:
        gate.wait(PATIENCE_S)
        request.end()

    threads = [threading.Thread(target=end, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)


def test_blocks_that_end_on_several_threads_at_once_are_done_exactly_once() -> None:
    stage, requests = fake_stage()
    for _ in range(50):
        calls: list[None] = []
        stage.start(60, lambda calls=calls: calls.append(None))  # type: ignore[misc]
        end_all_at_once(requests)
        assert len(calls) == 1


def test_a_failed_block_is_raised_after_all_others_have_ended() -> None:
    stage, requests = fake_stage()
    requests[0].fails = True
    stage.start(60, lambda: None)
    with pytest.raises(InferenceError, match=r"^no end$"):
        stage.finish()
    assert [request.waited for request in requests] == [1, 1, 1]
    requests[0].fails = False
    stage.start(60, lambda: None)
    stage.finish()


def test_a_block_that_does_not_start_leaves_none_running_and_is_never_done() -> None:
    stage, requests = fake_stage()
    requests[1].fails_to_start = True
    calls: list[None] = []
    with pytest.raises(InferenceError, match=r"^no start$"):
        stage.start(60, lambda: calls.append(None))
    assert [request.waited for request in requests] == [1, 0, 0]
    assert stage.is_finished()
    requests[0].end()
    assert calls == []
