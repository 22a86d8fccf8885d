# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory shared with a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov

from pointpillars_ov_ros.inference.device.network import Request, SharedMemory
from test.inference.toy_models import save_doubler


class RecordingContext:
    """Stands in for a GPU's context, of which there is none here; notes what it was asked for."""

    def __init__(self) -> None:
        self.tensors: list[ov.Tensor] = []

    def create_host_tensor(self, type: ov.Type, shape: ov.Shape) -> ov.Tensor:
        self.tensors.append(ov.Tensor(type, shape))
        return self.tensors[-1]


def test_tensors_come_from_the_context_of_the_device() -> None:
    context = RecordingContext()
    tensor = SharedMemory(context).allocate(ov.Type.u8, (1, 2, 3))
    assert context.tensors == [tensor]
    assert tensor.data.shape == (1, 2, 3) and tensor.data.dtype == np.uint8


def test_inference_runs_in_the_memory_it_was_given(tmp_path: Path) -> None:
    compiled = ov.Core().compile_model(save_doubler(tmp_path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    memory = SharedMemory(RecordingContext())
    tensors = {name: memory.allocate(ov.Type.f32, (1, 4)) for name in ("in", "out")}
    request = Request(compiled.create_infer_request(), "doubler", tensors)
    tensors["in"].data[:] = 5.0
    request.start(lambda: None)
    request.finish()
    assert (tensors["out"].data == 10.0).all()
    assert request.tensor("out") is request.tensor("out")
    assert np.shares_memory(request.tensor("out"), tensors["out"].data)


def test_devices_without_a_context_share_ordinary_memory() -> None:
    for device in ("CPU", "AUTO", "BATCH:CPU(2)"):
        assert SharedMemory.of(ov.Core(), device).allocate(ov.Type.f32, (2, 2)).data.shape == (2, 2)
