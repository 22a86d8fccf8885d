# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the GPU plugin and its meta devices is accepted in the form we use; slots are few."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import openvino as ov
import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import MOST_AT_ONCE, check_properties, describe
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import Ports
from test.gpu.plugin.test_engines import run
from test.gpu.toy import CACHE_DIR
from test.inference.toy_models import save_doubler

GPU = RuntimeConfig(
    rpn_device="GPU", encoder=EncoderChoice.HOST, precision=Precision.F32, drop_policy=DropPolicy.REPLAY,
    parity_check=False, cache_dir=CACHE_DIR,
)  # fmt: skip
MULTI = "MULTI:GPU,CPU"
NOT_TEXT = ("CACHE_ENCRYPTION_CALLBACKS", "MODEL_PTR", "CONFIG_FILE", "WEIGHTS_PATH", "CACHE_DIR", "DEVICE_ID")
"""Objects, and names of files and devices that a default does not have."""


def writable(plugin: str) -> list[str]:
    supported = ov.Core().get_property(plugin, "SUPPORTED_PROPERTIES")
    return sorted(name for name, access in supported.items() if access != "RO" and name not in NOT_TEXT)


@pytest.mark.parametrize("plugin", ["GPU", "CPU"])
def test_every_writable_property_is_taken_as_its_default_reads(tmp_path: Path, plugin: str) -> None:
    core, path, refused = ov.Core(), save_doubler(tmp_path), {}
    for name in writable(plugin):
        default = core.get_property(plugin, name)
        if isinstance(default, dict | set) or describe(default) in ("", "???", "-1.0"):
            continue
        text = "false" if default is False else "true" if default is True else describe(default)
        try:
            Network(path, plugin, check_properties(core, plugin, {name: text}), Ports({"in": (1, 4)}, {"out": (1, 4)}))
        except Exception as error:
            # All of them are to be named.
            refused[name] = str(error)
    assert not refused


SETTINGS: dict[str, dict[str, Any]] = {
    "num_streams": {"num_streams": 2},
    "streams of its own": {"device_properties": "NUM_STREAMS=2"},
    "smaller cache": {"device_properties": "CACHE_MODE=OPTIMIZE_SIZE"},
    "queue": {"device_properties": "GPU_QUEUE_PRIORITY=HIGH GPU_QUEUE_THROTTLE=LOW"},
    "batch of 4": {"rpn_device": "BATCH:GPU(4)", "mode": Mode.THROUGHPUT},
    "batch": {"rpn_device": "BATCH:GPU", "mode": Mode.THROUGHPUT},
    "auto batching": {"allow_auto_batching": True, "mode": Mode.THROUGHPUT},
    "throughput": {"mode": Mode.THROUGHPUT},
    "multi": {"rpn_device": MULTI, "mode": Mode.THROUGHPUT, "lean_rpn": False},
    "hetero": {"rpn_device": "HETERO:GPU,CPU", "lean_rpn": False},
    "threads of the CPU": {"num_threads": 1},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_starts_agrees_and_takes_few_slots(toy: ModelBundle, name: str) -> None:
    engine = Engine(toy, dataclasses.replace(GPU, **SETTINGS[name]))
    assert not check_engine(engine).failed
    assert "GPU.0" in engine.rpn.execution_devices
    assert 1 <= len(engine.slots) <= MOST_AT_ONCE + 2
    results = run(engine, range(24))
    assert [(result.token, result.error) for result in results] == [(number, "") for number in range(24)]


@pytest.mark.parametrize("first", ["GPU", "CPU", MULTI])
def test_multi_takes_the_networks_of_its_devices_from_the_cache(tmp_path: Path, first: str) -> None:
    """It finds the tensors of each network by names of operations, which the cache does not look at.

    The cache is filled by `first` and then completed, each time from a graph whose operations have other names.
    """
    properties = {"CACHE_DIR": str(tmp_path / "cache"), "INFERENCE_PRECISION_HINT": "f32"}
    for number, device in enumerate((first, MULTI, MULTI)):
        folder = tmp_path / str(number)
        folder.mkdir()
        network = Network(save_doubler(folder), device, properties, Ports({"in": (1, 4)}, {"out": (1, 4)}))
        requests = [network.create_request() for _ in range(8)]
        for value, request in enumerate(requests):
            request.tensor("in").fill(value)
            request.start()
        for value, request in enumerate(requests):
            request.finish()
            assert (request.tensor("out") == 2 * value).all()
    assert len(list((tmp_path / "cache").glob("*.blob"))) >= 2


def test_a_batch_of_four_is_read_back(toy: ModelBundle) -> None:
    engine = Engine(toy, dataclasses.replace(GPU, **SETTINGS["batch of 4"]))
    assert engine.rpn.batching is not None and engine.rpn.batching.size == 4
    chosen = Engine(toy, dataclasses.replace(GPU, **SETTINGS["auto batching"])).rpn.batching
    assert chosen is not None and 1 < chosen.size <= MOST_AT_ONCE


def test_the_precision_is_read_back_under_an_execution_mode(toy: ModelBundle) -> None:
    exact = dataclasses.replace(GPU, precision=Precision.DEFAULT, device_properties="EXECUTION_MODE_HINT=ACCURACY")
    assert Engine(toy, exact).effective_settings()["rpn"]["INFERENCE_PRECISION_HINT"] == "f32"


def test_compiled_networks_are_kept_signed_and_compiled_anew_where_damaged(
    toy: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = dataclasses.replace(GPU, cache_dir=str(tmp_path / "cache"))
    assert not Engine(toy, runtime).rpn.was_cached
    blobs = sorted((tmp_path / "cache").glob("*.blob"))
    assert blobs and all(path.with_name(f"{path.name}.sha256").exists() for path in blobs)
    assert Engine(toy, runtime).rpn.was_cached
    for path in blobs:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        engine = Engine(toy, runtime)
    assert "is damaged" in caplog.text
    assert not engine.rpn.was_cached
    assert not check_engine(engine).failed
