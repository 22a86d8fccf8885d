# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with random weights in the key layouts of the projects that are read, small enough for numpy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pointpillars_ov_ros.config.model_config import ModelConfig
from test.builders import tiny_config
from test.conversion.torch_files import save_zip
from test.reference import pointpillars as slow

State = dict[str, np.ndarray]

NORM_RANGES = {"weight": (0.5, 1.5), "bias": (-0.4, 0.6), "running_mean": (-0.3, 0.3), "running_var": (0.2, 2.0)}


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network, named as in OpenPCDet's YAML."""

    point_features: int = 10
    channels: int = 6
    layers: tuple[int, ...] = (1, 2, 1)
    strides: tuple[int, ...] = (2, 2, 2)
    filters: tuple[int, ...] = (5, 8, 7)
    upsample_filters: tuple[int, ...] = (4, 3, 6)
    upsample_strides: tuple[int, ...] = (1, 2, 4)
    anchors: int = 5
    classes: int = 3


SIZES = Sizes()
UPWARDS = Sizes(layers=(0, 3), strides=(1, 2), filters=(4, 6), upsample_filters=(5, 4), upsample_strides=(1, 2))
"""Output cells as small as those of the canvas."""


@dataclass(frozen=True)
class Project:
    """How one project names and uses its weights."""

    state: Callable[[Sizes, int], State]
    wrap: Callable[[State], Any]
    pfe: Callable[..., np.ndarray]
    rpn: Callable[..., dict[str, np.ndarray]]
    point_features: tuple[int, ...]


def small_config(sizes: Sizes = SIZES) -> ModelConfig:
    """Describe a network of these sizes on 32 x 24 cells: three classes of two, two and one angles."""
    stride = sizes.strides[0] // sizes.upsample_strides[0]
    return tiny_config(
        name="small",
        grid={
            "x_range": [0.0, 5.12],
            "y_range": [-2.4, 2.4],
            "pillar_size": [0.16, 0.2],
            "max_pillars": 90,
            "pillar_center_offset": [0.08, -2.3],
        },
        rpn={"channels": sizes.channels, "stride": stride},
        anchors=[
            {"class_name": "Car", "size": [0.83, 0.37, 0.31], "bottom_z": -1.7, "angles": [0.0, 1.57]},
            {"class_name": "Pedestrian", "size": [0.29, 0.23, 0.43], "bottom_z": -1.5, "angles": [0.0, 1.57]},
            {"class_name": "Cyclist", "size": [0.4, 0.23, 0.43], "bottom_z": -1.5, "angles": [0.3]},
        ],
        anchor_grid={"offset": [0.08 * stride, -2.4 + 0.1 * stride], "step": [0.16 * stride, 0.2 * stride]},
        anchor_mask=None,
    )


class _Weights:
    """Draws weights that leave values of about the same size, layer after layer."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.state: State = OrderedDict()

    def layer(self, name: str, shape: tuple[int, ...], bias: bool = False) -> None:
        inputs = np.prod(shape) / shape[0]
        self.state[f"{name}.weight"] = self._random.normal(0.0, inputs**-0.5, shape).astype(np.float32)
        if bias:
            self.state[f"{name}.bias"] = self._random.normal(0.0, 0.5, shape[0]).astype(np.float32)

    def norm(self, name: str, channels: int) -> None:
        for part, (low, high) in NORM_RANGES.items():
            self.state[f"{name}.{part}"] = self._random.uniform(low, high, channels).astype(np.float32)
        self.state[f"{name}.num_batches_tracked"] = np.array(1000)


def openpcdet_state(sizes: Sizes = SIZES, seed: int = 1) -> State:
    """Return the state dict of OpenPCDet's PointPillar."""
    weights = _Weights(seed)
    weights.state["global_step"] = np.array([0])
    weights.layer("vfe.pfn_layers.0.linear", (sizes.channels, sizes.point_features))
    weights.norm("vfe.pfn_layers.0.norm", sizes.channels)
    inputs = sizes.channels
    for b, (count, filters) in enumerate(zip(sizes.layers, sizes.filters, strict=True)):
        for k in range(count + 1):
            weights.layer(f"backbone_2d.blocks.{b}.{1 + 3 * k}", (filters, inputs, 3, 3))
            weights.norm(f"backbone_2d.blocks.{b}.{2 + 3 * k}", filters)
            inputs = filters
    for b, (filters, stride) in enumerate(zip(sizes.upsample_filters, sizes.upsample_strides, strict=True)):
        weights.layer(f"backbone_2d.deblocks.{b}.0", (sizes.filters[b], filters, stride, stride))
        weights.norm(f"backbone_2d.deblocks.{b}.1", filters)
    joined = sum(sizes.upsample_filters)
    for name, values in (("conv_cls", sizes.classes), ("conv_box", 7), ("conv_dir_cls", 2)):
        weights.layer(f"dense_head.{name}", (sizes.anchors * values, joined, 1, 1), bias=True)
    return weights.state


def mmdet_state(sizes: Sizes = SIZES, seed: int = 1) -> State:
    """Return the state dict of zhulf0804/PointPillars."""
    weights = _Weights(seed)
    weights.layer("pillar_encoder.conv", (sizes.channels, sizes.point_features, 1))
    weights.norm("pillar_encoder.bn", sizes.channels)
    inputs = sizes.channels
    for b, (count, filters) in enumerate(zip(sizes.layers, sizes.filters, strict=True)):
        for k in range(count + 1):
            weights.layer(f"backbone.multi_blocks.{b}.{3 * k}", (filters, inputs, 3, 3))
            weights.norm(f"backbone.multi_blocks.{b}.{3 * k + 1}", filters)
            inputs = filters
    for b, (filters, stride) in enumerate(zip(sizes.upsample_filters, sizes.upsample_strides, strict=True)):
        weights.layer(f"neck.decoder_blocks.{b}.0", (sizes.filters[b], filters, stride, stride))
        weights.norm(f"neck.decoder_blocks.{b}.1", filters)
    joined = sum(sizes.upsample_filters)
    for name, values in (("conv_cls", sizes.classes), ("conv_reg", 7), ("conv_dir_cls", 2)):
        weights.layer(f"head.{name}", (sizes.anchors * values, joined, 1, 1), bias=True)
    return weights.state


def mmdet3d_state(sizes: Sizes = SIZES, seed: int = 1) -> State:
    """Return the state dict of mmdet3d's VoxelNet with PillarFeatureNet, SECOND, SECONDFPN and Anchor3DHead."""
    names = {
        "pillar_encoder.conv": "voxel_encoder.pfn_layers.0.linear",
        "pillar_encoder.bn": "voxel_encoder.pfn_layers.0.norm",
        "backbone.multi_blocks": "backbone.blocks",
        "neck.decoder_blocks": "neck.deblocks",
        "head": "bbox_head",
    }
    state: State = OrderedDict()
    for key, value in mmdet_state(sizes, seed).items():
        begin = next(begin for begin in names if key.startswith(begin))
        is_linear = key == "pillar_encoder.conv.weight"
        state[names[begin] + key.removeprefix(begin)] = value[:, :, 0] if is_linear else value
    return state


def wrap_openpcdet(state: State) -> dict[str, Any]:
    """Put a state dict beside what OpenPCDet's training saves with it."""
    optimizer = {"state": {0: {"step": 5, "exp_avg": np.ones(3, np.float32)}}, "param_groups": [{"lr": 3e-3}]}
    return {"epoch": 80, "it": 74240, "model_state": state, "optimizer_state": optimizer, "version": "pcdet+0.6.0"}


PROJECTS = {
    "openpcdet": Project(openpcdet_state, wrap_openpcdet, slow.openpcdet_pfe, slow.openpcdet_rpn, (9, 10)),
    "mmdet3d": Project(
        mmdet3d_state,
        lambda state: {"meta": {"mmdet3d_version": "1.4.0", "epoch": 80}, "state_dict": state},
        slow.mmdet3d_pfe,
        slow.mmdet3d_rpn,
        (9, 10),
    ),
    "mmdet": Project(mmdet_state, lambda state: state, slow.mmdet_pfe, slow.mmdet_rpn, (9,)),
}


def save_checkpoint(project: str, path: Path, sizes: Sizes = SIZES, state: State | None = None) -> Path:
    """Write a checkpoint as the project does."""
    used = PROJECTS[project]
    return save_zip(used.wrap(used.state(sizes, 1) if state is None else state), path)
