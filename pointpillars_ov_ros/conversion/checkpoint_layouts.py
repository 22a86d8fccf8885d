# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint layouts: how each project names the weights of the same network, and what it means by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from pointpillars_ov_ros.config.errors import BundleError, shown
from pointpillars_ov_ros.conversion.torch_file import TorchFile
from pointpillars_ov_ros.conversion.torch_pickle import TensorRef

State = dict[str, TensorRef]

OWN_FORMAT_KEY, OWN_FORMAT = "format", "pointpillars_ov_ros.checkpoint/1"
OWN_CONFIG_KEY = "bundle_config"
"""Keys of our own checkpoints: the format, and the text of a bundle.yaml without its sha256.

The state dict is under `model_state` in OpenPCDet's key layout, beside whatever else the training needs.
"""

_STATE_KEYS = ("model_state", "state_dict", "model")
_AVERAGED_KEYS = ("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema", "averaged_model")
"""Keys under which trainings store the averaged copy (EMA) of the weights."""
_WRAPPERS = {"module.": "DataParallel's", "_orig_mod.": "torch.compile's", "model.": "Lightning's"}
"""Prefixes that wrappers add to every key."""
_AVERAGED = ("ema", "averag", "swa", "teacher")
"""Parts of the names that such copies have within a state dict."""
_MMENGINE_COPY = "ema_state_dict"
_COPY_KEYS = ("module", "state_dict", "shadow", "params", "model")
"""Keys of the weights in a copy that also stores counters."""
_MMCV_COPY = "ema_"
"""Prefix of the names of mmcv's copies, in which dots are underscores."""


class Weights(str, Enum):
    """Choice of the weights of a checkpoint with two copies."""

    MAIN = "main"
    """Weights that its own project would load."""
    AVERAGED = "averaged"
    """The moving average over the training (EMA)."""
    LAST = "last"
    """Weights of the last iteration."""


class Member(NamedTuple):
    """Names of a layer's tensors in the state dict."""

    weight: str
    norm: str
    """The batch norm that follows it, without `.weight` and so on."""


@dataclass(frozen=True)
class Layout:
    """Key names of one project. `{b}` is a block of the backbone, `{i}` an index in its torch.nn.Sequential."""

    title: str
    preset: str
    """The configuration that the project publishes weights for."""
    pillar: Member
    block: str
    first_place: int
    """Index of the first convolution in a block; its batch norm is next, the next convolution 3 further."""
    upsample: str
    boxes: str
    scores: str
    directions: str
    extra: tuple[str, ...] = ()
    """Keys that do not matter for inference."""
    point_features: tuple[int, ...] = (9,)
    """Known numbers of values per decorated point, the usual one first."""
    is_centered: bool = False
    """Whether coordinates of a point are replaced by their distance from the centre of the pillar.

    With nine values per point this concerns x and y, with ten also z.
    """

    def convolution(self, block: int, index: int) -> Member:
        """Return the names of a convolution of the backbone."""
        place = self.first_place + 3 * index
        names = [self.block.format(b=block, i=i) for i in (place, place + 1)]
        return Member(f"{names[0]}.weight", names[1])

    def upsampling(self, block: int) -> Member:
        """Return the names of the layer that brings a block to the size of the output."""
        names = [self.upsample.format(b=block, i=i) for i in (0, 1)]
        return Member(f"{names[0]}.weight", names[1])


OPENPCDET = Layout(
    title="OpenPCDet",
    preset="openpcdet_kitti_3class",
    pillar=Member("vfe.pfn_layers.0.linear.weight", "vfe.pfn_layers.0.norm"),
    block="backbone_2d.blocks.{b}.{i}",
    # Index 0 is a padding layer without weights.
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
    is_centered=True,
)
MMDET3D = Layout(
    title="mmdet3d",
    preset="mmdet3d_kitti_3class",
    pillar=Member("voxel_encoder.pfn_layers.0.linear.weight", "voxel_encoder.pfn_layers.0.norm"),
    block="backbone.blocks.{b}.{i}",
    first_place=0,
    upsample="neck.deblocks.{b}.{i}",
    boxes="bbox_head.conv_reg",
    scores="bbox_head.conv_cls",
    directions="bbox_head.conv_dir_cls",
    point_features=(10, 9),
    is_centered=True,
)
LAYOUTS = (OPENPCDET, MMDET, MMDET3D)


def find_layout(path: Path, keys: Iterable[str]) -> Layout:
    """Return the layout whose names these are; BundleError if there is none."""
    names = list(keys)
    for layout in LAYOUTS:
        begins = tuple({name.split(".")[0] + "." for name in (layout.pillar.weight, layout.block, layout.boxes)})
        if sum(any(name.startswith(begin) for name in names) for begin in begins) == len(begins):
            return layout
    known = " and ".join(f"{layout.pillar.weight!r} ({layout.title})" for layout in LAYOUTS)
    telling = [name for name in names if all(name not in layout.extra for layout in LAYOUTS)] or names
    raise BundleError(
        f"{path} is a checkpoint of another network: its first key is {shown(telling[0])}; "
        f"supported are networks with {known}"
    )


def find_state(file: TorchFile, weights: Weights = Weights.MAIN) -> tuple[State, tuple[str, ...]]:
    """Return the tensors of the network by key, and what had to be assumed; BundleError if there are none.

    `weights` selects one of two copies if the checkpoint also has averaged weights (EMA).
    """
    content = file.content
    if not isinstance(content, dict):
        raise BundleError(f"{file.path} holds a {type(content).__name__}, but a dict of weights is needed")
    main = next((name for name in _STATE_KEYS if isinstance(content.get(name), dict)), None)
    copy = next((name for name in _AVERAGED_KEYS if isinstance(content.get(name), dict)), None)
    # mmengine saves the average as the weights, which deployment then uses unchanged, and the others as its copy.
    is_swapped = main is not None and copy == _MMENGINE_COPY and _is_mmengine(content)
    averaged, last = (main, copy) if is_swapped else (copy, main)
    inner = {Weights.MAIN: main or copy, Weights.AVERAGED: averaged or main, Weights.LAST: last}[weights]
    if weights is Weights.LAST and inner is None and copy is not None:
        raise BundleError(f"{file.path} has averaged weights only, in {copy!r}: leave out --weights last")
    state = tensors_of(content if inner is None else _innermost(content[inner]))
    if not state:
        found = ", ".join(shown(key) for key in list(content)[:5]) or "nothing"
        raise BundleError(f"{file.path} holds no weights at the top level or in {_STATE_KEYS[0]!r}; it has {found}")
    # If there is no separate copy, there may be one within the same dict.
    state, more = unwrap(state, weights if copy is None else Weights.MAIN, file.path)
    return state, (*_describe_choice(main, copy, inner, averaged), *more)


def _describe_choice(main: str | None, copy: str | None, inner: str | None, averaged: str | None) -> list[str]:
    """Return the note on which of two copies is used, and the flag that selects the other."""
    if copy is None:
        return []
    if main is None:
        return [f"weights: the averaged ones in {copy!r}, as there are no others"]
    other = copy if inner == main else main
    if inner != averaged:
        return [f"weights: those in {inner!r}; the averaged copy in {other!r} is ignored (see --weights averaged)"]
    ignored = f"those of the last iteration, in {other!r}, are ignored (see --weights last)"
    return [f"weights: the averaged ones in {inner!r}; {ignored}"]


def _is_mmengine(content: Mapping[Any, Any]) -> bool:
    meta = content.get("meta")
    return "message_hub" in content or (isinstance(meta, dict) and "mmengine_version" in meta)


def _innermost(content: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the state dict of a copy that also stores counters."""
    inner = next((content[name] for name in _COPY_KEYS if isinstance(content.get(name), dict)), None)
    return content if inner is None or tensors_of(content) else inner


def unwrap(state: State, weights: Weights, path: Path) -> tuple[State, list[str]]:
    """Return the tensors under their project's names, and notes on what was left out.

    Anything before the name of the pillar's layer is the prefix of a wrapper; of several copies, the one that `weights`
    names is used, by default the one that is not an average.
    """
    known = [layout.pillar.weight for layout in LAYOUTS]
    prefixes = {key.removesuffix(name) for key in state for name in known if key == name or key.endswith(f".{name}")}
    if not prefixes:
        return state, []
    averages = {one for one in prefixes if any(word in one.lower() for word in _AVERAGED)}
    if "n_averaged" in state:
        # torch's AveragedModel.
        averages = prefixes
    candidates = averages if weights is Weights.AVERAGED and averages else (prefixes - averages) or prefixes
    prefix = min(candidates, key=lambda one: (len(one), one))
    bare = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    # If one copy has no prefix, the other copies start with theirs.
    others = [one for one in prefixes if one != prefix]
    copies = {key: tensor for key, tensor in bare.items() if key.startswith(_MMCV_COPY)}
    bare = {key: tensor for key, tensor in bare.items() if not key.startswith((*others, _MMCV_COPY))}
    notes = _describe_copies(prefix, averages, bool(copies), weights, path) if copies or averages != prefixes else []
    if weights is Weights.LAST and (copies or prefix in averages):
        if not copies:
            raise BundleError(f"{path} has averaged weights only: leave out --weights last")
        bare = {key: copies.get(_MMCV_COPY + key.replace(".", "_"), tensor) for key, tensor in bare.items()}
    return bare, [*notes, *_describe_names(state, bare, prefix)]


def _describe_names(state: State, bare: State, prefix: str) -> list[str]:
    """Return notes on the prefix that was removed and on entries of `state` that are not part of the network."""
    notes = []
    if prefix:
        part = next((part for part in _WRAPPERS if prefix.endswith(part)), "")
        whose = _WRAPPERS.get(part, "a wrapper's") if "n_averaged" not in state else "an averaged model's"
        notes.append(f"keys: the prefix {prefix!r} is taken to be {whose} and removed")
    if len(bare) < len(state):
        rest = next(key for key in state if key.removeprefix(prefix) not in bare or not key.startswith(prefix))
        notes.append(f"keys: {len(state) - len(bare)} are not part of the network and ignored, such as {shown(rest)}")
    return notes


def _describe_copies(prefix: str, averages: set[str], has_mmcv: bool, weights: Weights, path: Path) -> list[str]:
    """Return the note on which copy within one state dict is used; BundleError if the wanted one is missing."""
    if has_mmcv:
        # Its hook swaps the two before the checkpoint is saved.
        if weights is Weights.LAST:
            return [f"weights: those of the last iteration, under names that start with {_MMCV_COPY!r}"]
        ignored = f"those of the last iteration, which start with {_MMCV_COPY!r}, are ignored (see --weights last)"
        return [f"weights: mmcv saves the averaged ones under the plain names; {ignored}"]
    if weights is Weights.AVERAGED:
        if prefix not in averages:
            raise BundleError(f"{path} has no averaged copy of the weights: leave out --weights averaged")
        return [f"weights: the averaged copy, {prefix!r}"]
    names = sorted(averages)[:1]
    return [f"weights: the averaged copy, {name!r}, is ignored (see --weights averaged)" for name in names]


def tensors_of(content: Mapping[Any, Any]) -> State:
    """Return the entries that are tensors under a name."""
    return {key: item for key, item in content.items() if isinstance(key, str) and isinstance(item, TensorRef)}


def mmdet3d_version(file: TorchFile) -> str:
    """Return the version of mmdet3d that wrote a checkpoint; empty if it is not recorded."""
    meta = file.content.get("meta") if isinstance(file.content, dict) else None
    version = meta.get("mmdet3d_version", "") if isinstance(meta, dict) else ""
    return version if isinstance(version, str) else ""


def own_config_text(file: TorchFile) -> str | None:
    """Return the text of the bundle.yaml in a checkpoint of our own, None for another's."""
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
