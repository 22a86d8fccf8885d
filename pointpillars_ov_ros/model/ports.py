# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors that the two networks of a bundle must have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import openvino as ov

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.first_bytes import Content, identify
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs

Shape = tuple[int, ...]

_FOLDER = re.compile(r'(?<=Cannot load library ")[^"]*/')
"""Where a plugin of OpenVINO is, in its error message: of no use to the reader, and as long as the rest."""


class Ports(NamedTuple):
    """Shapes of a network's tensors by name; all are float32."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


def pfe_ports(config: ModelConfig, pillars: int) -> Ports:
    """Return the tensors of the PFE for `pillars` pillars."""
    slots = config.grid.max_points_per_pillar
    inputs: dict[str, Shape] = {
        getattr(config.pfe.inputs, name): (1, pillars) if name == "num_points" else (1, 1, pillars, slots)
        for name in DensePfeInputs._fields
    }
    return Ports(inputs, {config.pfe.output: (1, config.rpn.channels, pillars, 1)})


def rpn_ports(config: ModelConfig) -> Ports:
    """Return the tensors of the RPN."""
    rows, columns = config.output_shape
    anchors, names = config.anchors_per_cell, config.rpn
    outputs: dict[str, Shape] = {
        names.boxes: (1, rows, columns, anchors * 7),
        names.scores: (1, rows, columns, anchors * len(config.classes)),
        names.directions: (1, rows, columns, anchors * 2),
    }
    return Ports({names.input: config.canvas_shape}, outputs)


def read_model(core: ov.Core, path: Path, ports: Ports) -> ov.Model:
    """Read an IR; BundleError if it cannot be read or its tensors are not `ports`."""
    try:
        # Into memory: mapped weights would change if the file is overwritten before compiling ends, and a
        # truncated file would end the process with SIGBUS.
        core.set_property({"ENABLE_MMAP": False})
        model = core.read_model(path)
    except RuntimeError as error:
        if path.is_file() and identify(path) is Content.GIT_LFS:
            raise BundleError(f"{path} is {Content.GIT_LFS.value}") from None
        raise BundleError(f"{path} is not a network that OpenVINO can read: {first_line(error)}") from None
    check_ports(path, "input", model.inputs, ports.inputs)
    check_ports(path, "output", model.outputs, ports.outputs)
    return model


def name_ports(model: ov.Model) -> None:
    """Name the input and output operations of `model` after their tensors, in place, before it is compiled.

    CACHE_DIR finds a compiled network by a hash that leaves out the names of operations; many are numbers that change
    from process to process. The network keeps the names that it was compiled with, and MULTI finds the tensors of each
    device's network by them: where one network is from the cache and has other names, every inference fails.
    """
    for kind, ports in (("input", model.inputs), ("output", model.outputs)):
        for index, port in enumerate(ports):
            port.node.set_friendly_name(f"{kind} {index}: {port.any_name if port.names else ''}")
    # This is part of the hash: what other programs or earlier versions compiled has other names, and must not be found.
    model.set_rt_info("1", ["pointpillars_ov_ros", "named_ports"])


def is_quantized(path: Path) -> bool:
    """Whether the IR at `path` has INT8 layers; False if it cannot be read."""
    try:
        return b'type="FakeQuantize"' in path.read_bytes()
    except OSError:
        return False


def check_ports(path: Path, kind: str, ports: list[Any], wanted: Mapping[str, Shape]) -> None:
    """Raise BundleError unless `ports` have the `wanted` names, static shapes and float32 elements."""
    found = {name: port for port in ports for name in port.get_names()}
    for name, shape in wanted.items():
        if name not in found:
            raise BundleError(f"{path}: no {kind} tensor {name!r}; it has {', '.join(sorted(found)) or 'none'}")
        port = found[name]
        actual = tuple(port.shape) if port.partial_shape.is_static else str(port.partial_shape)
        if actual != shape:
            raise BundleError(f"{path}: {kind} tensor {name!r} has shape {actual}, but the bundle says {shape}")
        if port.element_type != ov.Type.f32:
            raise BundleError(f"{path}: {kind} tensor {name!r} is {port.element_type.to_string()}, not f32")


def first_line(error: BaseException) -> str:
    """Return the informative line of an OpenVINO error, which begins with the place in its source that raised it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    preludes = tuple(
        f"{outer}{inner}" for outer in ("", "Caught exception: ") for inner in ("Exception from", "Check '")
    )
    telling = [line for line in lines if not line.startswith(preludes)]
    return _FOLDER.sub("", (telling or lines or [type(error).__name__])[0]).rstrip(".:")
