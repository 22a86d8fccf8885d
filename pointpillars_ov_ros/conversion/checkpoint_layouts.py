# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whose checkpoint it is: how each project names the weights of the same network, and what it means by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pointpillars_ov_ros.config.errors import BundleError, shown
from pointpillars_ov_ros.conversion.torch_file import TorchFile
from pointpillars_ov_ros.conversion.torch_pickle import TensorRef

State = dict[str, TensorRef]

OWN_FORMAT_KEY, OWN_FORMAT = "format", "pointpillars_ov_ros.checkpoint/1"
OWN_CONFIG_KEY = "bundle_config"
"""Our own checkpoints are a dict with these two (the second holds the text of a bundle.yaml, its sha256 left out), the
state dict under `model_state` in OpenPCDet's key layout, and whatever the training needs beside it."""

_STATE_KEYS = ("model_state", "state_dict", "model")
_DATA_PARALLEL = "module."


class Member(NamedTuple):
    """Where a layer is in the state dict."""

    weight: str
    norm: str
    """The batch norm that follows it, without `.weight` and so on."""


@dataclass(frozen=True)
class Layout:
    """The key names of one project. `{b}` is a block of the backbone, `{i}` a place in its torch.nn.Sequential."""

    title: str
    preset: str
    """The configuration that the project publishes weights for."""
    pillar: Member
    block: str
    first_place: int
    """Of the first convolution in a block; its batch norm is in the next place, the next convolution 3 further."""
    upsample: str
    boxes: str
    scores: str
    directions: str
    extra: tuple[str, ...] = ()
    """Keys without a meaning for inference."""
    point_features: tuple[int, ...] = (9,)
    """Values of a decorated point that it is known to use, the usual number first."""
    centered_xy: bool = False
    """x and y of a point are replaced by their distance from the centre of the pillar."""

    def convolution(self, block: int, index: int) -> Member:
        """Name a convolution of the backbone."""
        place = self.first_place + 3 * index
        names = [self.block.format(b=block, i=i) for i in (place, place + 1)]
        return Member(f"{names[0]}.weight", names[1])

    def upsampling(self, block: int) -> Member:
        """Name the layer that brings a block to the size of the output."""
        names = [self.upsample.format(b=block, i=i) for i in (0, 1)]
        return Member(f"{names[0]}.weight", names[1])


OPENPCDET = Layout(
    title="OpenPCDet",
    preset="openpcdet_kitti_3class",
    pillar=Member("vfe.pfn_layers.0.linear.weight", "vfe.pfn_layers.0.norm"),
    block="backbone_2d.blocks.{b}.{i}",
    # Place 0 is a layer that pads, and has no weights.
    first_place=1,
    upsample="backbone_2d.deblocks.{b}.{i}",
    boxes="dense_head.conv_box",
    scores="dense_head.conv_cls",
    directions="dense_head.conv_dir_cls",
    extra=("global_step",),
    point_features=(10, 9),
)
MMDET = Layout(
    title="zhulf0804/PointPillars (mmdet3d style)",
    preset="mmdet_kitti_3class",
    pillar=Member("pillar_encoder.conv.weight", "pillar_encoder.bn"),
    block="backbone.multi_blocks.{b}.{i}",
    first_place=0,
    upsample="neck.decoder_blocks.{b}.{i}",
    boxes="head.conv_reg",
    scores="head.conv_cls",
    directions="head.conv_dir_cls",
    centered_xy=True,
)
LAYOUTS = (OPENPCDET, MMDET)


def find_layout(path: Path, keys: Iterable[str]) -> Layout:
    """Tell which project's names these are; BundleError where they are nobody's."""
    names = list(keys)
    for layout in LAYOUTS:
        begins = tuple({name.split(".")[0] + "." for name in (layout.pillar.weight, layout.block, layout.boxes)})
        if sum(any(name.startswith(begin) for name in names) for begin in begins) == len(begins):
            return layout
    known = " and ".join(f"{layout.pillar.weight!r} ({layout.title})" for layout in LAYOUTS)
    telling = [name for name in names if all(name not in layout.extra for layout in LAYOUTS)] or names
    raise BundleError(
        f"{path} is a checkpoint of another network: its first key is {shown(telling[0])}; "
        f"known are networks with {known}"
    )


def find_state(file: TorchFile) -> tuple[State, tuple[str, ...]]:
    """Give the tensors of the network by key, and what had to be assumed; BundleError where there are none."""
    content = file.content
    if not isinstance(content, dict):
        raise BundleError(f"{file.path} holds a {type(content).__name__}, a dict of weights is needed")
    inner = next((name for name in _STATE_KEYS if isinstance(content.get(name), dict)), None)
    state = tensors_of(content if inner is None else content[inner])
    if not state:
        found = ", ".join(shown(key) for key in list(content)[:5]) or "nothing"
        raise BundleError(f"{file.path} holds no weights, neither by itself nor in {_STATE_KEYS[0]!r}; it has {found}")
    if all(name.startswith(_DATA_PARALLEL) for name in state):
        bare = {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in state.items()}
        return bare, (f"keys: {_DATA_PARALLEL!r} before every one is taken as DataParallel's, and left out",)
    return state, ()


def tensors_of(content: Mapping[Any, Any]) -> State:
    """Give those entries that are tensors under a name."""
    return {key: item for key, item in content.items() if isinstance(key, str) and isinstance(item, TensorRef)}


def own_config_text(file: TorchFile) -> str | None:
    """Give the text of the bundle.yaml in a checkpoint of our own, None where it is another's."""
    content = file.content
    if not isinstance(content, dict) or OWN_CONFIG_KEY not in content:
        return None
    if content.get(OWN_FORMAT_KEY) != OWN_FORMAT:
        found = content.get(OWN_FORMAT_KEY)
        reason = f"{shown(found)} is not {OWN_FORMAT!r}, which this version reads"
        raise BundleError(f"{file.path}: {OWN_FORMAT_KEY}: {reason}")
    text = content[OWN_CONFIG_KEY]
    if not isinstance(text, str):
        raise BundleError(f"{file.path}: {OWN_CONFIG_KEY}: a {type(text).__name__} is not the text of a bundle.yaml")
    return text
