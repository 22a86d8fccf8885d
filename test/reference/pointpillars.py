# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow twin of the networks built from checkpoints: each project's forward pass in plain numpy and float64.

It reads state dicts by the key names of their project and folds nothing.
"""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.config.model_config import GridConfig

State = dict[str, np.ndarray]

EPSILON = 1e-3


def openpcdet_pfe(
    state: State, voxels: np.ndarray, counts: np.ndarray, cells: np.ndarray, grid: GridConfig
) -> np.ndarray:
    """Return (P, C) of `voxels` (P, N, 4), padded with zeros, in `cells` (P, 2) of column and row.

    Points have ten values where the layer takes ten: the last is z over the middle of the pillar.
    """
    weights = state["vfe.pfn_layers.0.linear.weight"]
    decorated = decorate(voxels, counts, cells, grid)[..., : weights.shape[1]]
    return pool(decorated @ weights.T, state, "vfe.pfn_layers.0.norm")


def mmdet_pfe(state: State, voxels: np.ndarray, counts: np.ndarray, cells: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Return (P, C) as `openpcdet_pfe`: x and y are those from the centre of the pillar, twice."""
    decorated = decorate(voxels, counts, cells, grid)[..., :9]
    decorated[..., 0], decorated[..., 1] = decorated[..., 7], decorated[..., 8]
    return pool(decorated @ state["pillar_encoder.conv.weight"][:, :, 0].T, state, "pillar_encoder.bn")


def mmdet3d_pfe(
    state: State, voxels: np.ndarray, counts: np.ndarray, cells: np.ndarray, grid: GridConfig
) -> np.ndarray:
    """Return (P, C) as `openpcdet_pfe`: coordinates are those from the centre of the pillar, twice; z only of ten."""
    weights = state["voxel_encoder.pfn_layers.0.linear.weight"]
    decorated = decorate(voxels, counts, cells, grid)[..., : weights.shape[1]]
    axes = weights.shape[1] - 7
    decorated[..., :axes] = decorated[..., 7:]
    return pool(decorated @ weights.T, state, "voxel_encoder.pfn_layers.0.norm")


def decorate(voxels: np.ndarray, counts: np.ndarray, cells: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Return (P, N, 10): the point, its distance from mean and centre of its pillar; zeros where there is no point."""
    voxels = voxels.astype(np.float64)
    mean = voxels[:, :, :3].sum(axis=1, keepdims=True) / counts[:, None, None]
    centers = np.empty((len(voxels), 1, 3))
    centers[:, 0, :2] = np.array(grid.pillar_center_offset) + cells * np.array(grid.pillar_size)
    centers[:, 0, 2] = sum(grid.z_range) / 2
    decorated = np.concatenate([voxels, voxels[:, :, :3] - mean, voxels[:, :, :3] - centers], axis=2)
    return decorated * (np.arange(voxels.shape[1])[None, :] < counts[:, None])[..., None]


def pool(values: np.ndarray, state: State, norm: str) -> np.ndarray:
    """Batch norm, ReLU and maximum over the slots of (P, N, C): padded ones count, too."""
    return np.maximum(batch_norm(values, state, norm), 0.0).max(axis=1)


def openpcdet_rpn(state: State, canvas: np.ndarray, layers: list[int], strides: list[int]) -> dict[str, np.ndarray]:
    """Return boxes, scores and directions (rows, columns, channels) of `canvas` (C, ny, nx).

    `layers` are LAYER_NUMS, the convolutions of each block after the first, `strides` are LAYER_STRIDES.
    """
    data, upsampled = canvas.astype(np.float64), []
    for block, (count, stride) in enumerate(zip(layers, strides, strict=True)):
        for k in range(count + 1):
            name = f"backbone_2d.blocks.{block}"
            data = convolve(data, state[f"{name}.{1 + 3 * k}.weight"], 1 if k else stride, 1)
            data = np.maximum(channel_norm(data, state, f"{name}.{2 + 3 * k}"), 0.0)
        name = f"backbone_2d.deblocks.{block}"
        up = spread(data, state[f"{name}.0.weight"])
        upsampled.append(np.maximum(channel_norm(up, state, f"{name}.1"), 0.0))
    names = {"boxes": "conv_box", "scores": "conv_cls", "directions": "conv_dir_cls"}
    return heads(np.concatenate(upsampled), state, {key: f"dense_head.{name}" for key, name in names.items()})


def mmdet_rpn(state: State, canvas: np.ndarray, layers: list[int], strides: list[int]) -> dict[str, np.ndarray]:
    """Return what `openpcdet_rpn` does."""
    data, upsampled = canvas.astype(np.float64), []
    for block, (count, stride) in enumerate(zip(layers, strides, strict=True)):
        for k in range(count + 1):
            name = f"backbone.multi_blocks.{block}"
            data = convolve(data, state[f"{name}.{3 * k}.weight"], 1 if k else stride, 1)
            data = np.maximum(channel_norm(data, state, f"{name}.{3 * k + 1}"), 0.0)
        name = f"neck.decoder_blocks.{block}"
        up = spread(data, state[f"{name}.0.weight"])
        upsampled.append(np.maximum(channel_norm(up, state, f"{name}.1"), 0.0))
    names = {"boxes": "conv_reg", "scores": "conv_cls", "directions": "conv_dir_cls"}
    return heads(np.concatenate(upsampled), state, {key: f"head.{name}" for key, name in names.items()})


def mmdet3d_rpn(state: State, canvas: np.ndarray, layers: list[int], strides: list[int]) -> dict[str, np.ndarray]:
    """Return what `mmdet_rpn` does, whose layers have other names."""
    names = {"backbone.blocks": "backbone.multi_blocks", "neck.deblocks": "neck.decoder_blocks", "bbox_head": "head"}
    other = {}
    for key, value in state.items():
        begin = next((begin for begin in names if key.startswith(begin)), "")
        other[names.get(begin, "") + key.removeprefix(begin)] = value
    return mmdet_rpn(other, canvas, layers, strides)


def heads(data: np.ndarray, state: State, names: dict[str, str]) -> dict[str, np.ndarray]:
    """Apply the 1 x 1 convolutions; channels last."""
    return {
        key: (convolve(data, state[f"{name}.weight"], 1, 0) + state[f"{name}.bias"][:, None, None]).transpose(1, 2, 0)
        for key, name in names.items()
    }


def convolve(data: np.ndarray, weights: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Convolve (C, y, x) with (O, C, k, k), by its definition."""
    size = weights.shape[2]
    padded = np.pad(data, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("cyxij,ocij->oyx", windows, weights)


def spread(data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Make k x k cells of every cell of (C, y, x) with (C, O, k, k): a transposed convolution of stride k."""
    size = weights.shape[2]
    blocks = np.einsum("cyx,coij->oyixj", data, weights)
    return blocks.reshape(weights.shape[1], data.shape[1] * size, data.shape[2] * size)


def channel_norm(data: np.ndarray, state: State, name: str) -> np.ndarray:
    """Batch norm of (C, y, x)."""
    return np.moveaxis(batch_norm(np.moveaxis(data, 0, -1), state, name), -1, 0)


def batch_norm(values: np.ndarray, state: State, name: str) -> np.ndarray:
    """Batch norm of (..., C) with the running statistics."""
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return (values - mean) / np.sqrt(variance + EPSILON) * state[f"{name}.weight"] + state[f"{name}.bias"]
