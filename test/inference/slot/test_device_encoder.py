# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The PFE in blocks of pillars: same numbers, no more blocks than needed, done exactly once."""

from __future__ import annotations

import itertools
import re
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
import pytest
from openvino import opset13 as ops

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import Network, SharedMemory
from pointpillars_ov_ros.inference.slot.encoders import DYNAMIC, DeviceEncoder
from pointpillars_ov_ros.model.ports import pfe_ports
from test.builders import Points, grouped, random_cloud, tiny_config
from test.inference.toy_models import save_toy_pfe

PATIENCE_S = 180.0
CONFIG = tiny_config()
PILLARS = CONFIG.grid.max_pillars


@pytest.fixture(scope="module")
def toy_pfe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_pfe(tmp_path_factory.mktemp("toy"), CONFIG)


def make_encoder(path: Path, block: int) -> DeviceEncoder:
    network = Network(
        path,
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
        pfe_ports(CONFIG, PILLARS),
        reshape=pfe_ports(CONFIG, block).inputs,
    )
    return DeviceEncoder(network, CONFIG, block)


def some_pillars(size: int) -> Pillars:
    """Return `size` pillars of one point each."""
    grid = CONFIG.grid
    cells = np.arange(size)
    points = np.zeros((size, 4), np.float32)
    points[:, 0] = grid.x_range[0] + (cells % grid.nx + 0.5) * grid.pillar_size[0]
    points[:, 1] = grid.y_range[0] + (cells // grid.nx + 0.5) * grid.pillar_size[1]
    points[:, 2] = sum(grid.z_range) / 2
    pillars = grouped(points, grid)
    assert pillars.size == size
    return pillars


def encode(encoder: DeviceEncoder, points: Points) -> npt.NDArray[np.float32]:
    """Return the features (pillars, C) of a cloud."""
    pillars = grouped(points, CONFIG.grid)
    encoder.prepare(pillars)
    calls: list[None] = []
    called = threading.Event()

    def done() -> None:
        calls.append(None)
        called.set()

    encoder.start(done)
    assert called.wait(PATIENCE_S)
    encoder.finish()
    assert encoder.is_finished()
    assert len(calls) == 1
    return encoder.features.transpose(0, 2, 1).reshape(-1, CONFIG.rpn.channels)[: pillars.size].copy()


@pytest.mark.parametrize("count", [0, 1, 30, 500])
@pytest.mark.parametrize("block", [1, 7, 20, 30, 59, 60])
def test_blocks_give_the_features_of_one_block_of_all_pillars(toy_pfe: Path, block: int, count: int) -> None:
    points = random_cloud(np.random.default_rng(count), count, CONFIG.grid)
    whole = encode(make_encoder(toy_pfe, PILLARS), points)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(encode(make_encoder(toy_pfe, block), points), whole, rtol=1e-5)


def test_the_toy_pfe_tells_all_eight_inputs_apart(toy_pfe: Path) -> None:
    encoder = make_encoder(toy_pfe, PILLARS)
    point = np.array([(0.33, -1.15, -0.5, 0.25)], np.float32)
    center_x, center_y = 0.1 + 2 * 0.16, -1.55 + 2 * 0.2
    values = np.array([0.33, -1.15, -0.5, 0.25, center_x, center_y, 1.0])
    expected = np.arange(1, 22).reshape(3, 7) @ values
    np.testing.assert_allclose(encode(encoder, point)[0], expected, rtol=1e-5)


def test_an_encoder_used_again_gives_what_a_fresh_one_gives(toy_pfe: Path) -> None:
    encoder, rng = make_encoder(toy_pfe, 20), np.random.default_rng(1)
    for count in (500, 3, 0, 40, 500):
        points = random_cloud(rng, count, CONFIG.grid)
        np.testing.assert_allclose(encode(encoder, points), encode(make_encoder(toy_pfe, 20), points), rtol=1e-5)


@pytest.mark.parametrize(("pillars", "blocks"), [(0, 1), (1, 1), (19, 1), (20, 1), (21, 2), (40, 2), (41, 3), (60, 3)])
def test_only_blocks_that_hold_a_pillar_run(toy_pfe: Path, pillars: int, blocks: int) -> None:
    encoder = make_encoder(toy_pfe, 20)
    encoder.prepare(some_pillars(pillars))
    encoder.features.fill(np.nan)
    encoder.start(lambda: None)
    encoder.finish()
    assert np.isfinite(encoder.features).all(axis=(1, 2)).tolist() == [k < blocks for k in range(3)]


def test_a_dynamic_output_of_another_shape_is_refused(toy_pfe: Path, tmp_path: Path) -> None:
    """With all pillars the output is right, so that loading finds nothing; with fewer, the last one is missing."""
    model = ov.Core().read_model(toy_pfe)
    end = model.get_results()[0].input(0)
    asked = ops.gather(ops.shape_of(model.input("px")), np.array([2]), np.array(0))
    given = ops.subtract(asked, ops.subtract(np.int64(1), ops.divide(asked, np.int64(PILLARS))))
    cut = ops.slice(end.get_source_output(), np.array([0]), given, np.array([1]), np.array([2]))
    end.get_source_output().set_names(set())
    cut.output(0).set_names({CONFIG.pfe.output})
    end.replace_source_output(cut.output(0))
    ov.save_model(model, tmp_path / "pfe.xml", compress_to_fp16=False)
    encoder = make_encoder(tmp_path / "pfe.xml", DYNAMIC)
    channels = CONFIG.rpn.channels
    sentence = re.escape(f"shape (1, {channels}, 24, 1) instead of (1, {channels}, 25, 1)")
    encoder.prepare(some_pillars(25))
    encoder.start()
    with pytest.raises(InferenceError, match=sentence):
        encoder.finish()
    encoder.prepare(some_pillars(PILLARS))
    encoder.start()
    encoder.finish()


class FakeRequest:
    """A request whose start or end fails when told to, and that ends only when the test says so."""

    def __init__(self) -> None:
        self.fails_to_start = False
        self.fails = False
        self.waited = 0
        self._ended = threading.Event()
        self._ended.set()

    def bind(self, name: str, array: npt.NDArray[np.float32]) -> None:
        pass

    def start(self) -> None:
        if self.fails_to_start:
            raise InferenceError("no start")
        self._ended.clear()

    def wait(self) -> None:
        assert self._ended.wait(PATIENCE_S)
        if self.fails:
            raise RuntimeError("no end")

    def is_finished(self) -> bool:
        return self._ended.is_set()

    def finish(self) -> None:
        self._ended.set()
        self.waited += 1
        if self.fails:
            raise InferenceError("no end")

    def end(self) -> None:
        self._ended.set()


class FakeNetwork:
    """Makes fake requests and keeps them."""

    def __init__(self) -> None:
        self.requests: list[FakeRequest] = []
        self.memory = SharedMemory()

    def create_request(self) -> FakeRequest:
        self.requests.append(FakeRequest())
        return self.requests[-1]


def fake_encoder(config: ModelConfig = CONFIG) -> tuple[DeviceEncoder, list[FakeRequest]]:
    network = FakeNetwork()
    encoder = DeviceEncoder(network, config, 20)  # type: ignore[arg-type]
    encoder.prepare(some_pillars(PILLARS))
    return encoder, network.requests


class Calls:
    """Counts what a encoder tells, and whether any block still ran then."""

    def __init__(self, encoder: DeviceEncoder) -> None:
        self._encoder = encoder
        self.too_early = self.count = 0
        self._called = threading.Event()

    def __call__(self) -> None:
        self.too_early += not self._encoder.is_finished()
        self.count += 1
        self._called.set()

    def wait(self) -> None:
        assert self._called.wait(PATIENCE_S)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
@pytest.mark.parametrize("failing", [None, 0, 1, 2])
def test_the_encoder_is_done_once_with_the_last_block(order: tuple[int, ...], failing: int | None) -> None:
    encoder, requests = fake_encoder()
    for _ in range(5):
        calls = Calls(encoder)
        encoder.start(calls)
        for index in order:
            assert not encoder.is_finished()
            assert calls.count == 0
            requests[index].fails = index == failing
            requests[index].end()
        calls.wait()
        assert encoder.is_finished()
        if failing is None:
            encoder.finish()
        else:
            with pytest.raises(InferenceError, match=r"^no end$"):
                encoder.finish()
        assert (calls.count, calls.too_early) == (1, 0)


def test_a_failed_block_is_raised_after_all_others_have_ended() -> None:
    encoder, requests = fake_encoder()
    requests[0].fails = True
    encoder.start()
    with pytest.raises(InferenceError, match=r"^no end$"):
        encoder.finish()
    assert [request.waited for request in requests] == [1, 1, 1]
    requests[0].fails = False
    encoder.start()
    encoder.finish()


def test_a_block_that_does_not_start_leaves_none_running_and_is_never_done() -> None:
    encoder, requests = fake_encoder()
    requests[1].fails_to_start = True
    calls: list[None] = []
    with pytest.raises(InferenceError, match=r"^no start$"):
        encoder.start(lambda: calls.append(None))
    assert [request.waited for request in requests] == [1, 0, 0]
    assert encoder.is_finished()
    # The next start waits behind it.
    requests[1].fails_to_start = False
    last = Calls(encoder)
    encoder.start(last)
    for request in requests:
        request.end()
    last.wait()
    assert calls == []
