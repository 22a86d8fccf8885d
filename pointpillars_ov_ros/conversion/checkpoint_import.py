# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles from torch checkpoints of OpenPCDet, zhulf0804/PointPillars and this package, without needing any of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pointpillars_ov_ros.config.documents import parse_yaml, read_tree
from pointpillars_ov_ros.config.errors import BundleError, ConfigError
from pointpillars_ov_ros.config.mapping import from_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import (
    Architecture,
    check_fit,
    check_state,
    count_point_features,
    infer_architecture,
    lay_out,
)
from pointpillars_ov_ros.conversion.checkpoint_layouts import (
    LAYOUTS,
    MMDET,
    MMDET3D,
    OWN_CONFIG_KEY,
    Layout,
    State,
    Weights,
    find_layout,
    find_state,
    mmdet3d_version,
    own_config_text,
)
from pointpillars_ov_ros.conversion.importers import Notes, read_preset, save_bundle
from pointpillars_ov_ros.conversion.network_graph import DECORATED, WeightReader, build_pfe, build_rpn, decorate_weights
from pointpillars_ov_ros.conversion.openpcdet_config import Description, describe_openpcdet, is_openpcdet
from pointpillars_ov_ros.conversion.torch_file import TorchFile, open_torch_file
from pointpillars_ov_ros.model.bundle import ModelBundle, read_config, sha256

_CONVOLUTIONS, _FILTERS = (4, 6, 6), (64, 128, 256)
_UPSAMPLE_FILTERS, _UPSAMPLE_STRIDES = (128, 128, 128), (1, 2, 4)
_STRIDES = (2, 2, 2)


def import_checkpoint(
    path: Path,
    folder: Path,
    description: Description | None = None,
    fp16: bool = False,
    weights: Weights = Weights.MAIN,
) -> tuple[ModelBundle, Notes]:
    """Make a bundle in `folder` from the checkpoint at `path`; return it and what was assumed.

    Without a `description`, our own checkpoints describe themselves, and others are taken to be what their project
    publishes. Raises BundleError if the file, a key, a shape or a value does not match.
    """
    file = open_torch_file(path)
    state, notes = find_state(file, weights)
    layout = find_layout(path, state)
    origin = f"{layout.title} checkpoint {path.resolve()}"
    is_described = description is not None
    if description is None:
        description = describe_checkpoint(file, layout)
        if description.config.provenance:
            # How it was trained, as recorded in our own checkpoints.
            origin = f"{description.config.provenance}; checkpoint {path.name}"
    config, sizes, more = description if is_described else fit_description(description, layout, state)
    if sizes is None:
        sizes = infer_architecture(path, state, layout, config)
    else:
        # The one size that no description contains.
        sizes = dataclasses.replace(sizes, point_features=count_point_features(state, layout))
    layers = lay_out(sizes, layout, state)
    check_state(path, layers, layout, state)
    check_fit(path, sizes, config)
    reader = WeightReader(file, state)
    linear = decorate_weights(reader.read(layers.pillar), layout, config)
    config = dataclasses.replace(config, provenance=f"{origin}, sha256 {sha256(path)}")
    bundle = save_bundle(config, build_pfe(config, linear), build_rpn(config, layers, reader), folder, fp16)
    return bundle, (*notes, *more, *describe_weights(sizes, layout))


def describe_checkpoint(file: TorchFile, layout: Layout) -> Description:
    """Describe a checkpoint that comes without a description."""
    text = own_config_text(file)
    if text is not None:
        note = f"configuration: {OWN_CONFIG_KEY} in the file"
        return Description(parse_config(file.path, text), None, (note,))
    version = mmdet3d_version(file) if layout is MMDET3D else ""
    if version.startswith("0."):
        note = f"preset {MMDET.preset}: boxes are coded as in mmdet3d {version}, unlike in 1.0 and later"
        return Description(read_preset(MMDET.preset), None, (note,))
    note = f"preset {layout.preset}: no configuration was given, so the one that {layout.title} publishes is assumed"
    return describe_preset(layout.preset, (note,))


def fit_description(description: Description, layout: Layout, state: State) -> Description:
    """Return the description of a checkpoint whose pillars have another number of channels than the published network.

    The network then has other sizes, which follow from its tensors; everything else is as published.
    """
    config, sizes, notes = description
    tensor = state.get(layout.pillar.weight)
    if sizes is None or tensor is None or not tensor.shape or tensor.shape[0] in (0, config.rpn.channels):
        return description
    channels = tensor.shape[0]
    note = (
        f"sizes: pillars have {channels} channels, not {config.rpn.channels} as published; all sizes are "
        "those of the tensors; range, pillars and anchors are those of the preset (set --config if they differ)"
    )
    config = dataclasses.replace(config, rpn=dataclasses.replace(config.rpn, channels=channels))
    return Description(config, None, (*notes, note))


def describe_preset(name: str, notes: Notes = ()) -> Description:
    """Describe the network of a preset, including the sizes of its layers if it is for checkpoints."""
    config = read_preset(name)
    layout = next((layout for layout in LAYOUTS if layout.preset == name), None)
    if layout is None:
        return Description(config, None, notes)
    sizes = Architecture(
        point_features=layout.point_features[0],
        channels=config.rpn.channels,
        convolutions=_CONVOLUTIONS,
        filters=_FILTERS,
        strides=_STRIDES,
        upsample_filters=_UPSAMPLE_FILTERS,
        upsample_strides=_UPSAMPLE_STRIDES,
        anchors=config.anchors_per_cell,
        classes=len(config.classes),
    )
    return Description(config, sizes, notes)


def check_preset(name: str, path: Path) -> None:
    """Raise BundleError if the preset describes checkpoints of another project than the one at `path`."""
    layout = find_layout(path, find_state(open_torch_file(path))[0])
    others = [other for other in LAYOUTS if other.preset == name and other is not layout]
    if others:
        raise BundleError(
            f"{path} is a checkpoint of {layout.title}, but {name} describes those of {others[0].title}; "
            "if that is intended, pass a bundle.yaml with --config"
        )


def describe_file(path: Path) -> Description:
    """Read a description: a bundle.yaml, or a YAML of OpenPCDet; BundleError if it is neither."""
    tree = read_tree(path)
    if is_openpcdet(tree):
        return describe_openpcdet(path)
    if "format" not in tree:
        raise BundleError(f"{path} is neither a bundle.yaml nor a model YAML of OpenPCDet")
    config = dataclasses.replace(read_config(path), sha256={})
    return Description(config, None, (f"configuration: {path}",))


def parse_config(path: Path, text: str) -> ModelConfig:
    """Read the bundle.yaml in a checkpoint of our own; BundleError names `path`, field and value."""
    where = f"{path}: {OWN_CONFIG_KEY}"
    document = parse_yaml(text, where, BundleError)
    try:
        config = from_mapping(ModelConfig, document)
    except ConfigError as error:
        raise BundleError(f"{where}: {error}") from None
    return dataclasses.replace(config, sha256={})


def describe_weights(sizes: Architecture, layout: Layout) -> Notes:
    """List how the weights were read, where the project's code determines it and the checkpoint does not."""
    notes = [f"batch norm: epsilon 0.001, as in the code of {layout.title}"]
    if layout.is_centered:
        axes = "x, y and z" if sizes.point_features > DECORATED else "x and y"
        notes.append(f"points: {axes} are replaced by the distance from the pillar's centre, as in its code")
    if sizes.point_features > DECORATED:
        notes.append("points: the tenth value is the height above the middle of z_range, as in its code")
    return tuple(notes)
