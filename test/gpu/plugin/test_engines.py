# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The GPU plugin gives the same results as the CPU in f32: precisions, encoders, shapes, modes, memory."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError
from pointpillars_ov_ros.config.runtime_config import (
    DropPolicy,
    EncoderChoice,
    Mode,
    PfeShape,
    Precision,
    RuntimeConfig,
)
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.matching import corner_shift, match
from pointpillars_ov_ros.inference.device.network import Network, SharedMemory
from pointpillars_ov_ros.inference.device.properties import rpn_properties
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_engine, make_reference, open_engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.exact_quantizers import keep_quantizers_exact
from pointpillars_ov_ros.model.ports import Ports
from test.gpu.switches import Switches
from test.gpu.toy import CACHE_DIR, toy_cloud
from test.inference.toy_models import save_doubler
from test.model.rpn_models import RpnVariant, build_rpn

PATIENCE_S = 120.0
MARGIN = 0.05
"""Detections whose score is this much above the threshold are those of every precision."""
GPU = RuntimeConfig(
    pfe_device="GPU",
    rpn_device="GPU",
    encoder=EncoderChoice.HOST,
    drop_policy=DropPolicy.REPLAY,
    parity_check=False,
    cache_dir=CACHE_DIR,
)
change = dataclasses.replace
ON_DEVICE = change(GPU, encoder=EncoderChoice.OPENVINO)
CPU = change(ON_DEVICE, pfe_device="CPU", rpn_device="CPU", precision=Precision.F32, lean_rpn=False)


LAYER = ("layerType", "runtimePrecision", "outputPrecisions", "primitiveType")


def run(engine: Engine, numbers: range) -> list[FrameResult]:
    """Send toy clouds down the pipeline; return their results."""
    results: list[FrameResult] = []
    pipeline = engine.open_pipeline(results.append)
    for number in numbers:
        pipeline.submit(toy_cloud(number), number)
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    return results


def clouds(config: Any, count: int) -> list[FloatArray]:
    """Return variations of the built-in cloud: turned about the vertical axis of the sensor by up to 0.2 rad."""
    points, found = built_in_cloud(config), []
    for angle in np.linspace(-0.2, 0.2, count):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        turned = points.copy()
        turned[:, :2] = points[:, :2] @ turn.T
        found.append(turned)
    return found


def compare(wanted: Detections, given: Detections, sure: float, shift_m: float) -> int:
    """Assert that detections of a score above `sure` are found again within `shift_m`; return their number."""
    matching = match(wanted, given)
    assert not [index for index in matching.lost if wanted.scores[index] > sure]
    pairs = [(i, j) for i, j in matching.pairs if wanted.scores[i] > sure]
    for i, j in pairs:
        assert corner_shift(wanted.boxes[i], given.boxes[j]) <= shift_m
    return len(pairs)


@pytest.mark.parametrize(
    ("runtime", "precision", "shift_m"),
    [(change(ON_DEVICE, precision=Precision.F32), "f32", 1e-3), (GPU, "f16", 0.1)],
    ids=["f32", "default"],
)
def test_ten_frames_of_the_cropped_networks_are_those_of_the_cpu(
    cropped: ModelBundle, runtime: RuntimeConfig, precision: str, shift_m: float
) -> None:
    reference, engine = Engine(cropped, CPU), Engine(cropped, runtime)
    assert engine.effective_settings()["rpn"]["INFERENCE_PRECISION_HINT"] == precision
    sure = reference.settings.score_threshold + MARGIN
    compared = 0
    for points in clouds(cropped.config, 10):
        wanted, given = (each.slots[0].detect(points, each.settings) for each in (reference, engine))
        compared += compare(wanted, given, sure, shift_m)
    assert compared > 20


@pytest.mark.parametrize(
    ("name", "encoder", "score_error"),
    [("cropped", EncoderChoice.OPENVINO, 0.2), ("cropped_int8", EncoderChoice.HOST, 0.1)],
    ids=["float", "quantized"],
)
def test_the_defaults_pass_parity(
    name: str, encoder: EncoderChoice, score_error: float, request: pytest.FixtureRequest
) -> None:
    """With f16 before its quantizers, the scores of the quantized network are off by up to 0.34, before sigmoid."""
    bundle: ModelBundle = request.getfixturevalue(name)
    engine = open_engine(bundle, change(GPU, encoder=encoder, parity_check=True))
    assert engine.rpn.execution_devices == ("GPU.0",)
    settings = engine.effective_settings()
    assert settings["rpn"]["INFERENCE_PRECISION_HINT"] == "f16"
    assert settings["pfe"]["INFERENCE_PRECISION_HINT"] == "f32", "f16 keeps steps of 0.03 m of a coordinate"
    assert not engine.parity.failed, engine.parity.sentence
    points = built_in_cloud(bundle.config)
    given, wanted = engine.slots[0].examine(points), make_reference(engine).answer(points)
    assert np.abs(given.scores - wanted.scores).max() < score_error


def test_layers_with_exact_quantizers_are_those_of_f16() -> None:
    variant = RpnVariant(int8=True, float_heads=True)
    layers = []
    for model in (build_rpn(variant), keep_quantizers_exact(build_rpn(variant))):
        compiled = ov.Core().compile_model(model, "GPU", {"INFERENCE_PRECISION_HINT": "f16"})
        found = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ordered_ops()]
        layers.append([tuple(str(each[key].astype(str)) for key in LAYER) for each in found if "primitiveType" in each])
    assert sorted(layers[0]) == sorted(layers[1])
    assert [kind for kind, *_ in layers[0] if kind == "Quantize"] == ["Quantize"], "the others are parts of layers"


@pytest.mark.parametrize("block", [1, 25, 0])
def test_static_blocks_of_any_size_are_right(toy: ModelBundle, block: int) -> None:
    assert not check_engine(Engine(toy, change(ON_DEVICE, precision=Precision.F32, pfe_block=block))).failed


def test_dynamic_shapes_are_right(toy: ModelBundle) -> None:
    engine = Engine(toy, change(ON_DEVICE, precision=Precision.F32, pfe_shape=PfeShape.DYNAMIC))
    assert not check_engine(engine).failed
    wanted = run(Engine(toy, CPU), range(12))
    for result, other in zip(run(engine, range(12)), wanted, strict=True):
        assert result.pillars == other.pillars
        np.testing.assert_allclose(result.detections.boxes, other.detections.boxes, atol=1e-4)


@pytest.mark.parametrize("encoder", [EncoderChoice.HOST, EncoderChoice.OPENVINO])
@pytest.mark.parametrize("mode", Mode)
def test_every_mode_gives_every_frame_in_order(toy: ModelBundle, mode: Mode, encoder: EncoderChoice) -> None:
    wanted = run(Engine(toy, CPU), range(30))
    results = run(Engine(toy, change(GPU, precision=Precision.F32, mode=mode, encoder=encoder)), range(30))
    assert [result.token for result in results] == list(range(30))
    for result, other in zip(results, wanted, strict=True):
        assert not result.error
        np.testing.assert_allclose(result.detections.boxes, other.detections.boxes, atol=1e-4)
        np.testing.assert_allclose(result.detections.scores, other.detections.scores, atol=1e-5)


def test_the_mode_changes_while_frames_are_in_flight(toy: ModelBundle) -> None:
    engine = Engine(toy, change(GPU, precision=Precision.F32))
    results: list[FrameResult] = []
    pipeline = engine.open_pipeline(results.append)
    for number in range(60):
        if number % 15 == 10:
            engine.set_mode(list(Mode)[number // 15 % 3])
        pipeline.submit(toy_cloud(number), number)
    assert pipeline.drain(PATIENCE_S)
    pipeline.close()
    assert [(result.token, result.error) for result in results] == [(number, "") for number in range(60)]


class CopyingMemory(SharedMemory):
    """Ordinary memory, which a GPU has to copy from and to."""


def test_memory_shared_with_the_device_is_used_in_place(tmp_path: Path, switches: Switches) -> None:
    shape = (1, 1 << 18)
    network = Network(save_doubler(tmp_path, shape), "GPU", {}, Ports({"in": shape}, {"out": shape}))
    copied = {}
    for memory in (network.memory, CopyingMemory()):
        network.memory = memory
        request = network.create_request()
        for value in (1.0, 2.0):
            request.tensor("in").fill(value)
            switches.start_log()
            request.start()
            request.finish()
            log = switches.read_log()
            assert log.kernels
            assert (request.tensor("out") == 2 * value).all()
        copied[type(memory)] = sum(log.copies)
    assert copied[SharedMemory] == 0
    assert copied[CopyingMemory] >= 2 * 4 * shape[1], "otherwise the log would not show a copy"


def test_the_slots_of_an_engine_copy_neither_canvas_nor_outputs(toy: ModelBundle, switches: Switches) -> None:
    engine = Engine(toy, change(ON_DEVICE, precision=Precision.F32))
    switches.start_log()
    engine.slots[0].detect(toy_cloud(1), engine.settings)
    log = switches.read_log()
    assert log.kernels
    assert sum(log.copies) == 0


BAD = {
    "GPU.1 of one": (
        change(GPU, rpn_device="GPU.1"),
        r"rpn.xml cannot run on device 'GPU.1'.*available here: CPU, GPU",
    ),
    "bf16": (change(GPU, precision=Precision.BF16), "precision: GPU does not support bf16; use f16, f32 or default"),
    "a property of none": (change(GPU, device_properties="NUM_STREAM=1"), "has no such property"),
    "NPU": (change(GPU, rpn_device="NPU"), "'NPU'.*available: CPU, GPU"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_device_cannot_is_said_in_one_sentence(toy: ModelBundle, name: str) -> None:
    runtime, sentence = BAD[name]
    with pytest.raises((InferenceError, ConfigError), match=sentence) as caught:
        Engine(toy, runtime)
    assert "\n" not in str(caught.value)


OPEN_GPU = """
import sys
from pathlib import Path
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import load_bundle
try:
    Engine(load_bundle(Path(sys.argv[1])), RuntimeConfig(rpn_device="GPU"))
except InferenceError as error:
    print(error)
"""


@pytest.mark.parametrize("lacking", ["OpenCL", "a device"])
def test_a_machine_without_a_gpu_says_what_one_needs(toy: ModelBundle, switches: Switches, lacking: str) -> None:
    environment = dict(os.environ)
    if lacking == "OpenCL":
        environment |= {"OCL_ICD_VENDORS": "/nowhere", "OPENCL_LAYERS": ""}
    else:
        switches.turn_on("no_device")
    command = [sys.executable, "-c", OPEN_GPU, str(toy.folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    (sentence,) = run.stdout.splitlines()
    assert "cannot run on device 'GPU'" in sentence
    assert sentence.endswith(
        "available here: CPU; a GPU needs its OpenCL driver (intel-opencl-icd), "
        "and this user must be in the group render"
    )


@pytest.mark.parametrize("loss", ["no_device", "lost_device"])
def test_a_device_that_vanishes_between_listing_and_compiling(
    toy: ModelBundle, switches: Switches, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_it(*arguments: Any) -> dict[str, Any]:
        switches.turn_on(loss)
        return rpn_properties(*arguments)

    monkeypatch.setattr("pointpillars_ov_ros.inference.engine.rpn_properties", lose_it)
    with pytest.raises(InferenceError, match=r"'GPU'.*; available here: CPU; a GPU needs its OpenCL driver") as caught:
        Engine(toy, GPU)
    assert "\n" not in str(caught.value)


def test_after_a_device_that_could_not_compile_it_can(toy: ModelBundle, switches: Switches) -> None:
    fresh = change(GPU, cache_dir="")
    with switches.on("fail_builds"), pytest.raises(InferenceError, match=r"rpn\.xml cannot run on device 'GPU'"):
        Engine(toy, fresh)
    assert run(Engine(toy, fresh), range(3))[-1].error == ""
