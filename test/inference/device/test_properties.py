# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO properties from settings: which are set, which are refused, and which are read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError
from pointpillars_ov_ros.config.runtime_config import PerformanceHint, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import (
    MOST_AT_ONCE,
    Batching,
    check_properties,
    compile_properties,
    in_text,
    parse_properties,
    pfe_properties,
    rpn_properties,
    rpn_rewriting,
)
from pointpillars_ov_ros.model.ports import Ports
from test.inference.toy_models import parameter, save, save_doubler

BATCH = "BATCH:CPU(4)"
SPREADING = RuntimeConfig(performance_hint=PerformanceHint.CUMULATIVE_THROUGHPUT)


def on(device: str, **settings: Any) -> dict[str, Any]:
    """Return the properties of a network on `device`, if both networks are there."""
    return compile_properties(RuntimeConfig(pfe_device=device, rpn_device=device, **settings), device)


def network(folder: Path, device: str, **settings: Any) -> Network:
    return Network(save_doubler(folder), device, on(device, **settings), Ports({"in": (1, 4)}, {"out": (1, 4)}))


def save_quantized(folder: Path) -> Path:
    """Save a network with nothing but a quantizer."""
    path, values = folder / "quantized.xml", parameter("in", (1, 4))
    low, high = np.float32(0), np.float32(6)
    save(ops.fake_quantize(values, low, high, low, high, 256), "out", [values], path)
    return path


def test_by_default_little_is_asked_for_and_batches_only_by_their_name() -> None:
    assert on("CPU") == {"PERFORMANCE_HINT": "LATENCY", "ALLOW_AUTO_BATCHING": False}
    may = ({"allow_auto_batching": True}, {"device_properties": "ALLOW_AUTO_BATCHING=true"})
    assert all(on("CPU", **settings)["ALLOW_AUTO_BATCHING"] is True for settings in may)
    assert {given["AUTO_BATCH_TIMEOUT"] for given in (on(BATCH), *(on("CPU", **settings) for settings in may))} == {20}


def test_the_pfe_and_a_quantized_rpn_are_in_f32_unless_another_precision_is_asked_for(tmp_path: Path) -> None:
    float_rpn, quantized_rpn = save_doubler(tmp_path), save_quantized(tmp_path)

    def asked(**settings: Any) -> list[str | None]:
        runtime = RuntimeConfig(**settings)
        given = (pfe_properties(runtime), rpn_properties(runtime, float_rpn), rpn_properties(runtime, quantized_rpn))
        return [each.get("INFERENCE_PRECISION_HINT") for each in given]

    assert asked() == asked(pfe_device="AUTO", rpn_device=BATCH) == ["f32", None, "f32"]
    assert asked(precision=Precision.BF16) == ["bf16"] * 3
    assert asked(device_properties="EXECUTION_MODE_HINT=ACCURACY") == [None] * 3
    assert {str(value) for value in asked(device_properties="INFERENCE_PRECISION_HINT=f16")} == {"f16"}
    assert asked(rpn_device="GPU") == ["f32", None, None], "f32 up to the last quantizer is part of the graph there"


@pytest.mark.parametrize(
    ("device", "precision", "is_rewritten"),
    [
        ("GPU", Precision.DEFAULT, True), ("GPU", Precision.F16, True), ("BATCH:GPU(4)", Precision.DEFAULT, True),
        ("GPU", Precision.F32, False), ("CPU", Precision.DEFAULT, False), ("AUTO:GPU,CPU", Precision.DEFAULT, False),
    ],
)  # fmt: skip
def test_a_quantized_rpn_is_rewritten_for_the_f16_of_gpus(
    tmp_path: Path, device: str, precision: Precision, is_rewritten: bool
) -> None:
    runtime = RuntimeConfig(rpn_device=device, precision=precision)
    assert rpn_rewriting(runtime, save_doubler(tmp_path)) is None
    assert (rpn_rewriting(runtime, save_quantized(tmp_path)) is not None) == is_rewritten


def test_every_value_has_a_form_that_all_plugins_read() -> None:
    given = {
        "NUM_STREAMS": 2,
        "CACHE_MODE": ov.properties.CacheMode.OPTIMIZE_SIZE,
        "PERF_COUNT": True,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": ov.Type.f16,
        "LOG_LEVEL": ov.properties.log.Level.ERR,
        "DEVICE_PROPERTIES": {"CPU": {}},
    }
    assert in_text(given) == {
        "NUM_STREAMS": "2",
        "CACHE_MODE": "OPTIMIZE_SIZE",
        "PERF_COUNT": "YES",
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_PRECISION_HINT": "f16",
        "LOG_LEVEL": ov.properties.log.Level.ERR,
        "DEVICE_PROPERTIES": {"CPU": {}},
    }


def test_bf16_is_refused_for_a_gpu_before_anything_is_compiled() -> None:
    for device in ("GPU", "GPU.0", "BATCH:GPU(4)"):
        with pytest.raises(ConfigError, match=r"precision: .* does not support bf16"):
            compile_properties(RuntimeConfig(rpn_device=device, precision=Precision.BF16), device)
    assert on("CPU", precision=Precision.BF16)["INFERENCE_PRECISION_HINT"] == "bf16"


def test_a_plugin_that_chooses_the_batch_is_given_a_bound() -> None:
    assert on("BATCH:CPU")["PERFORMANCE_HINT_NUM_REQUESTS"] == MOST_AT_ONCE
    assert "PERFORMANCE_HINT_NUM_REQUESTS" not in on(BATCH)
    assert on("BATCH:CPU", num_requests=3)["PERFORMANCE_HINT_NUM_REQUESTS"] == 3


def test_every_setting_becomes_its_property() -> None:
    given = on(
        BATCH, num_streams=2, num_threads=1, num_requests=3, cache_dir="/c", precision=Precision.F32,
        auto_batch_timeout_ms=7,
    )  # fmt: skip
    assert given == {
        "PERFORMANCE_HINT": "LATENCY",
        "ALLOW_AUTO_BATCHING": False,
        "AUTO_BATCH_TIMEOUT": 7,
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 2,
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT_NUM_REQUESTS": 3,
        "CACHE_DIR": "/c",
    }


@pytest.mark.parametrize(
    ("device", "text", "name", "value"),
    [
        ("AUTO", "ENABLE_STARTUP_FALLBACK=false", "ENABLE_STARTUP_FALLBACK", False),
        ("AUTO:CPU", "ENABLE_RUNTIME_FALLBACK=NO", "ENABLE_RUNTIME_FALLBACK", False),
        (BATCH, "AUTO_BATCH_TIMEOUT=50", "AUTO_BATCH_TIMEOUT", 50),
        ("CPU", "ALLOW_AUTO_BATCHING=yes", "ALLOW_AUTO_BATCHING", True),
        ("CPU", "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE=0.5", "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE", 0.5),
        ("MULTI:CPU", "INFERENCE_NUM_THREADS=1", "INFERENCE_NUM_THREADS", 1),
        ("CPU", "CACHE_MODE=OPTIMIZE_SIZE", "CACHE_MODE", "OPTIMIZE_SIZE"),
        ("CPU", "PERFORMANCE_HINT=THROUGHPUT", "PERFORMANCE_HINT", "THROUGHPUT"),
    ],
)
def test_further_properties_have_their_types_and_count_more(
    tmp_path: Path, device: str, text: str, name: str, value: object
) -> None:
    assert on(device, device_properties=text)[name] == value
    network(tmp_path, device, device_properties=text)


def test_a_further_property_that_is_a_choice_is_given_as_that(tmp_path: Path) -> None:
    compiled = network(tmp_path, "CPU", device_properties=" EXECUTION_MODE_HINT=ACCURACY  LOG_LEVEL=ERR ")
    assert compiled.effective_settings()["EXECUTION_MODE_HINT"] == "ACCURACY"


@pytest.mark.parametrize(
    ("device", "text", "sentence"),
    [
        ("CPU", "TOASTER=1", r"TOASTER: CPU has no such property; it supports .*CACHE_DIR.*NUM_STREAMS"),
        (
            "AUTO",
            "TOASTER=1",
            r"TOASTER: AUTO has no such property; it supports .*ENABLE_STARTUP_FALLBACK.*NUM_STREAMS",
        ),
        ("CPU", "ENABLE_STARTUP_FALLBACK=false", "ENABLE_STARTUP_FALLBACK: CPU has no such property; it supports"),
        ("CPU", "EXECUTION_DEVICES=CPU", "EXECUTION_DEVICES: CPU has no such property; it supports"),
        ("AUTO", "ENABLE_STARTUP_FALLBACK=maybe", "ENABLE_STARTUP_FALLBACK: 'maybe' is not true or false$"),
        (BATCH, "AUTO_BATCH_TIMEOUT=soon", "AUTO_BATCH_TIMEOUT: 'soon' is not a whole number$"),
        (BATCH, "AUTO_BATCH_TIMEOUT=5.5", "AUTO_BATCH_TIMEOUT: '5.5' is not a whole number$"),
        (BATCH, "AUTO_BATCH_TIMEOUT=-5", "AUTO_BATCH_TIMEOUT: '-5' is below 0$"),
        ("AUTO", "MODEL_PRIORITY=HIGHEST", "MODEL_PRIORITY: 'HIGHEST' is not one of .*HIGH"),
        ("CPU", "NUM_STREAMS", "device_properties: 'NUM_STREAMS' is not NAME=VALUE"),
        ("CPU", "NUM_STREAMS=", "device_properties: 'NUM_STREAMS=' is not NAME=VALUE"),
    ],
)
def test_an_unknown_property_or_a_value_of_another_type_is_one_sentence(device: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}") as raised:
        on(device, device_properties=text)
    assert "\n" not in str(raised.value)


def test_what_only_the_other_device_knows_is_given_to_that_alone() -> None:
    runtime = RuntimeConfig(rpn_device="AUTO:CPU", device_properties="ENABLE_STARTUP_FALLBACK=false NUM_STREAMS=1")
    assert "ENABLE_STARTUP_FALLBACK" not in compile_properties(runtime, runtime.pfe_device)
    assert compile_properties(runtime, runtime.pfe_device)["NUM_STREAMS"] == 1
    assert compile_properties(runtime, runtime.rpn_device)["ENABLE_STARTUP_FALLBACK"] is False


def test_a_device_that_there_is_not_is_named() -> None:
    with pytest.raises(InferenceError, match=r"^no device 'TOASTER' .*available here: .*CPU"):
        check_properties(ov.Core(), "TOASTER", {"NUM_STREAMS": "1"})


def test_the_last_of_two_values_counts() -> None:
    assert parse_properties("A=1 B=x=y A=2", "device_properties") == {"A": "2", "B": "x=y"}


@pytest.mark.parametrize("device", ["CPU", "HETERO:CPU", BATCH])
@pytest.mark.parametrize("by_name", [False, True])
def test_the_hint_for_several_devices_is_for_auto_and_multi(device: str, by_name: bool) -> None:
    asked: dict[str, Any] = {"performance_hint": SPREADING.performance_hint}
    if by_name:
        asked = {"device_properties": "PERFORMANCE_HINT=CUMULATIVE_THROUGHPUT"}
    with pytest.raises(ConfigError, match=r"^performance_hint: CUMULATIVE_THROUGHPUT is for AUTO and MULTI"):
        on(device, **asked)


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "MULTI:CPU"])
def test_a_network_on_another_device_beside_gets_throughput(device: str) -> None:
    runtime = RuntimeConfig(rpn_device=device, performance_hint=PerformanceHint.CUMULATIVE_THROUGHPUT)
    assert compile_properties(runtime, device)["PERFORMANCE_HINT"] == "CUMULATIVE_THROUGHPUT"
    assert compile_properties(runtime, "CPU")["PERFORMANCE_HINT"] == "THROUGHPUT"


@pytest.mark.parametrize("device", ["CPU", "AUTO:CPU", "MULTI:CPU", "HETERO:CPU", BATCH])
def test_precision_streams_and_threads_are_read_back_whatever_is_in_front(tmp_path: Path, device: str) -> None:
    settings = network(tmp_path, device, precision=Precision.F32, num_threads=1, num_streams=1).effective_settings()
    wanted = {"EXECUTION_DEVICES": "CPU", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["NUM_STREAMS"] == "1"
    assert "LATENCY" in settings["PERFORMANCE_HINT"]


def test_what_nobody_tells_is_shown_as_asked_for(tmp_path: Path) -> None:
    compiled = network(
        tmp_path, "AUTO:CPU", cache_dir=str(tmp_path / "c"), device_properties="ENABLE_STARTUP_FALLBACK=false"
    )
    settings = compiled.effective_settings()
    assert settings["ENABLE_STARTUP_FALLBACK"] == "False (as requested)"
    assert settings["CACHE_DIR"] == f"{tmp_path / 'c'} (as requested)"
    assert "ALLOW_AUTO_BATCHING" not in settings


def test_batches_are_read_back(tmp_path: Path) -> None:
    compiled = network(tmp_path, BATCH, auto_batch_timeout_ms=7)
    assert compiled.batching == Batching(4, 7)
    settings = compiled.effective_settings()
    assert (settings["MULTI_DEVICE_PRIORITIES"], settings["AUTO_BATCH_TIMEOUT"]) == ("CPU(4)", "7")
    assert network(tmp_path, "CPU").batching is network(tmp_path, "AUTO:CPU").batching is None
