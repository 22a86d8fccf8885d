# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of a PointPillars network with maximum pooling, and the tensors that its checkpoint must have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import mul
from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.checkpoint_layouts import Layout, State

Shape = tuple[int, ...]

_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Architecture:
    """Sizes of the layers (PointPillars, section 2.2: S, L and F of each block)."""

    point_features: int
    """Values of a decorated point: 9, or 10 with the height above the middle of the pillar (OpenPCDet)."""
    channels: int
    """Number of channels of a pillar."""
    convolutions: tuple[int, ...]
    """Number of 3 x 3 convolutions in each block of the backbone, including the one with the stride."""
    filters: tuple[int, ...]
    strides: tuple[int, ...]
    upsample_filters: tuple[int, ...]
    upsample_strides: tuple[int, ...]
    anchors: int
    """Number of anchors per output cell, over all classes."""
    classes: int


class Layer(NamedTuple):
    """A layer and the names of its tensors."""

    weight: str
    shape: Shape
    norm: str
    """The batch norm that follows; empty if there is none."""
    bias: str
    """Empty if a batch norm follows."""
    stride: int = 1
    transposed: bool = False

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return self.shape[1 if self.transposed else 0]

    def shapes(self) -> Iterator[tuple[str, Shape]]:
        """Yield name and shape of each of its tensors."""
        yield self.weight, self.shape
        if self.norm:
            yield from ((f"{self.norm}.{part}", (self.channels,)) for part in _NORM_PARTS)
        else:
            yield self.bias, (self.channels,)


class Layers(NamedTuple):
    """All layers of a network."""

    pillar: Layer
    blocks: tuple[tuple[Layer, ...], ...]
    upsamplings: tuple[Layer, ...]
    heads: tuple[Layer, Layer, Layer]
    """Boxes, scores, directions."""

    def all(self) -> Iterator[Layer]:
        """Yield the layers one after the other."""
        yield self.pillar
        for block in self.blocks:
            yield from block
        yield from self.upsamplings
        yield from self.heads


def lay_out(architecture: Architecture, layout: Layout, state: State) -> Layers:
    """Name the layers as `layout` does; a linear layer may be stored as a 1d convolution, as found in `state`."""
    sizes = architecture
    linear: Shape = (sizes.channels, sizes.point_features)
    if layout.pillar.weight in state and len(state[layout.pillar.weight].shape) == 3:
        linear = (*linear, 1)
    blocks, inputs = [], (sizes.channels, *sizes.filters)
    for b, (count, filters, stride) in enumerate(zip(sizes.convolutions, sizes.filters, sizes.strides, strict=True)):
        layers = []
        for index in range(count):
            weight, norm = layout.convolution(b, index)
            shape = (filters, filters if index else inputs[b], 3, 3)
            layers.append(Layer(weight, shape, norm, "", 1 if index else stride))
        blocks.append(tuple(layers))
    upsamplings = []
    for b, (filters, stride) in enumerate(zip(sizes.upsample_filters, sizes.upsample_strides, strict=True)):
        weight, norm = layout.upsampling(b)
        upsamplings.append(Layer(weight, (sizes.filters[b], filters, stride, stride), norm, "", stride, True))
    joined, heads = sum(sizes.upsample_filters), []
    for name, values in ((layout.boxes, 7), (layout.scores, sizes.classes), (layout.directions, 2)):
        heads.append(Layer(f"{name}.weight", (sizes.anchors * values, joined, 1, 1), "", f"{name}.bias"))
    pillar = Layer(layout.pillar.weight, linear, layout.pillar.norm, "")
    return Layers(pillar, tuple(blocks), tuple(upsamplings), (heads[0], heads[1], heads[2]))


def infer_architecture(path: Path, state: State, layout: Layout, config: ModelConfig) -> Architecture:
    """Infer the sizes from the tensors; sizes that no tensor has follow from `config`.

    Raises BundleError if a tensor it needs is missing or has another rank. The strides of the blocks are those that
    make all upsampled blocks as large as the output.
    """
    blocks = 1 + max(_numbers(layout.block, "b", state), default=-1)
    if not blocks:
        raise BundleError(f"{path}: key {layout.convolution(0, 0).weight!r} is missing")
    places = [max(_numbers(layout.block.replace("{b}", str(b)), "i", state), default=0) for b in range(blocks)]
    firsts = [_shape(path, state, layout.convolution(b, 0).weight, 4) for b in range(blocks)]
    ups = [_shape(path, state, layout.upsampling(b).weight, 4) for b in range(blocks)]
    upsample_strides = tuple(shape[2] for shape in ups)
    return Architecture(
        point_features=count_point_features(state, layout),
        channels=config.rpn.channels,
        convolutions=tuple((place - layout.first_place) // 3 + 1 for place in places),
        filters=tuple(shape[0] for shape in firsts),
        strides=block_strides(path, config.rpn.stride, upsample_strides),
        upsample_filters=tuple(shape[1] for shape in ups),
        upsample_strides=upsample_strides,
        anchors=config.anchors_per_cell,
        classes=len(config.classes),
    )


def count_point_features(state: State, layout: Layout) -> int:
    """Return the number of values per point, from the first layer; the usual one if that number is unknown."""
    shape = state[layout.pillar.weight].shape if layout.pillar.weight in state else ()
    return shape[1] if len(shape) > 1 and shape[1] in layout.point_features else layout.point_features[0]


def block_strides(path: Path, output_stride: int, upsample_strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of the blocks with which every block, upsampled, has the size of the output."""
    totals = [1, *(output_stride * stride for stride in upsample_strides)]
    if any(after == 0 or after % before for before, after in pairwise(totals)):
        raise BundleError(
            f"{path}: no strides of the blocks fit upsampling by {list(upsample_strides)} to rpn.stride {output_stride}"
        )
    return tuple(after // before for before, after in pairwise(totals))


def check_fit(path: Path, architecture: Architecture, config: ModelConfig) -> None:
    """Raise BundleError if a network of these sizes cannot be what `config` describes."""
    totals = list(accumulate(architecture.strides, mul))
    for total, stride in zip(totals, architecture.upsample_strides, strict=True):
        if total != config.rpn.stride * stride:
            raise BundleError(f"{path}: a block of stride {total}, upsampled by {stride}, is not rpn.stride")
    for cells in (config.grid.nx, config.grid.ny):
        if cells % totals[-1]:
            raise BundleError(f"{path}: {cells} cells of the canvas are not a multiple of {totals[-1]}")


def check_state(path: Path, layers: Layers, layout: Layout, state: State) -> None:
    """Raise BundleError unless `state` has the tensors of `layers`, in their shapes, and no others."""
    wanted = dict(shape for layer in layers.all() for shape in layer.shapes())
    missing = [name for name in wanted if name not in state]
    if missing:
        more = f", and {len(missing) - 1} more are" if len(missing) > 1 else ""
        raise BundleError(f"{path}: key {missing[0]!r} is missing{more}; a {layout.title} network needs it")
    for name, shape in wanted.items():
        if state[name].shape != shape:
            raise BundleError(f"{path}: key {name!r} has shape {state[name].shape}, but the architecture needs {shape}")
    left = [name for name in state if name not in wanted and name not in layout.extra and not name.endswith(_COUNTER)]
    if left:
        more = f" ({len(left)} such keys)" if len(left) > 1 else ""
        raise BundleError(f"{path}: key {left[0]!r} does not belong to the architecture{more}")


def _numbers(template: str, field: str, state: State) -> list[int]:
    """Return the numbers that stand for `{field}` in the names of `state`; other fields may be any number."""
    parts = re.split(r"(\{\w\})", template)
    known = {"{b}": r"\d+", "{i}": r"\d+", f"{{{field}}}": r"(\d{1,4})"}
    pattern = re.compile("".join(known.get(part, re.escape(part)) for part in parts) + r"\.")
    return [int(match[1]) for name in state if (match := pattern.match(name))]


def _shape(path: Path, state: State, name: str, rank: int) -> Shape:
    """Return the shape of a tensor that must exist with this number of axes."""
    if name not in state:
        raise BundleError(f"{path}: key {name!r} is missing")
    shape = state[name].shape
    if len(shape) != rank:
        raise BundleError(f"{path}: key {name!r} has shape {shape}, but {rank} axes are needed")
    return shape
