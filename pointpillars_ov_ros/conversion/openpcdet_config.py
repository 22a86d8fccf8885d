# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of OpenPCDet's YAML files (tools/cfgs/.../pointpillar.yaml) to a `ModelConfig`.

Values that such a file leaves to OpenPCDet's code are taken from there; values that neither contains are assumed. Both
are listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.config.documents import Settings, Tree, merge, read_tree
from pointpillars_ov_ros.config.errors import BundleError, ConfigError
from pointpillars_ov_ros.config.model_config import (
    AnchorConfig,
    AnchorGridConfig,
    AngleConvention,
    BoxCoderConfig,
    BoxOrigin,
    DirectionConfig,
    GridConfig,
    ModelConfig,
    PfeConfig,
    PfeInputs,
    PostprocessConfig,
    RpnConfig,
    SensorConfig,
    SizeOrder,
)
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.conversion.checkpoint_layouts import OPENPCDET

_BASE = "_BASE_CONFIG_"
_POINT_VALUES = ("x", "y", "z", "intensity")
_KITTI_HEIGHT, _KITTI_BEAMS = 1.73, 64
_MODEL_PARTS = {"NAME", "VFE", "MAP_TO_BEV", "BACKBONE_2D", "DENSE_HEAD", "POST_PROCESSING"}
_OWN_INPUTS = PfeInputs("x", "y", "z", "intensity", "num_points", "center_x", "center_y", "mask")


class Description(NamedTuple):
    """Description of a network."""

    config: ModelConfig
    architecture: Architecture | None
    """None if the description does not contain it."""
    notes: tuple[str, ...] = ()
    """Assumptions, and their sources."""


def is_openpcdet(tree: Tree) -> bool:
    """Whether a document is a configuration of OpenPCDet."""
    return "MODEL" in tree and "DATA_CONFIG" in tree


def describe_openpcdet(path: Path) -> Description:
    """Read such a file; BundleError names file, field and value if a setting is missing or not supported."""
    notes: list[str] = []
    root = Settings(path, _with_base(path, read_tree(path), notes))
    model, data = root.section("MODEL"), root.section("DATA_CONFIG")
    _check_kind(model, data)
    head, names = model.section("DENSE_HEAD"), root.strings("CLASS_NAMES")
    sets = head.sections("ANCHOR_GENERATOR_CONFIG")
    anchors = tuple(_anchor(settings) for settings in sets)
    if tuple(anchor.class_name for anchor in anchors) != names:
        raise head.refuse("ANCHOR_GENERATOR_CONFIG", f"the classes are not {list(names)} in this order, once each")
    stride = _same(sets, "feature_map_stride")
    try:
        config = ModelConfig(
            format=1,
            name=path.stem,
            grid=_grid(data),
            pfe=PfeConfig("pfe.xml", _OWN_INPUTS, "features"),
            rpn=RpnConfig("rpn.xml", "canvas", "boxes", "scores", "directions", _channels(model), stride),
            anchors=anchors,
            anchor_grid=_anchor_grid(sets, _grid(data), stride),
            box_coder=BoxCoderConfig(AngleConvention.YAW, BoxOrigin.CENTER, SizeOrder.LENGTH_FIRST),
            direction=_direction(head),
            postprocess=_postprocess(model.section("POST_PROCESSING"), notes),
            sensor=SensorConfig(_KITTI_HEIGHT, beams=_KITTI_BEAMS),
        )
    except ConfigError as error:
        raise BundleError(f"{path}: {error}") from None
    notes += _assumed(data)
    return Description(config, _architecture(model, config), tuple(notes))


def _with_base(path: Path, tree: Tree, notes: list[str]) -> Tree:
    """Return the document merged over the dataset file that it names, which is beside it or in a folder above."""
    data = tree.get("DATA_CONFIG")
    base = data.get(_BASE) if isinstance(data, dict) else None
    if not isinstance(base, str):
        return tree
    found = next((folder / base for folder in path.resolve().parents if (folder / base).is_file()), None)
    if found is None:
        notes.append(f"DATA_CONFIG: {base} is not in a folder above {path}; its values are assumed")
        return tree
    notes.append(f"DATA_CONFIG: values missing from {path.name} are from {found}")
    return merge({"DATA_CONFIG": read_tree(found)}, tree)


def _check_kind(model: Settings, data: Settings) -> None:
    """Raise BundleError unless it is the network that this package builds."""
    foreign = sorted(set(model.tree) - _MODEL_PARTS)
    if foreign:
        raise model.refuse(foreign[0], "does not belong to a PointPillar network")
    model.expect("NAME", "PointPillar")
    vfe, head = model.section("VFE"), model.section("DENSE_HEAD")
    vfe.expect("NAME", "PillarVFE")
    vfe.expect("WITH_DISTANCE", False, default=False)
    vfe.expect("USE_ABSLOTE_XYZ", True)
    vfe.expect("USE_NORM", True)
    model.section("MAP_TO_BEV").expect("NAME", "PointPillarScatter")
    backbone = model.section("BACKBONE_2D")
    backbone.expect("NAME", "BaseBEVBackbone")
    backbone.expect("USE_CONV_FOR_NO_STRIDE", False, default=False)
    head.expect("NAME", "AnchorHeadSingle")
    head.expect("CLASS_AGNOSTIC", False, default=False)
    head.expect("USE_DIRECTION_CLASSIFIER", True)
    head.expect("NUM_DIR_BINS", 2)
    coder = head.section("TARGET_ASSIGNER_CONFIG")
    coder.expect("BOX_CODER", "ResidualCoder")
    coder.expect("BOX_CODER_CONFIG", {}, default={})
    if data.has("POINT_FEATURE_ENCODING"):
        data.section("POINT_FEATURE_ENCODING").expect("used_feature_list", list(_POINT_VALUES))


def _grid(data: Settings) -> GridConfig:
    low_x, low_y, low_z, high_x, high_y, high_z = data.numbers("POINT_CLOUD_RANGE", 6)
    steps = [step for step in data.sections("DATA_PROCESSOR") if step.tree.get("NAME") == "transform_points_to_voxels"]
    if len(steps) != 1:
        raise data.refuse("DATA_PROCESSOR", f"{len(steps)} steps are transform_points_to_voxels, but 1 is needed")
    size_x, size_y, size_z = steps[0].numbers("VOXEL_SIZE", 3)
    if abs(size_z - (high_z - low_z)) > 1e-6:
        raise steps[0].refuse("VOXEL_SIZE", f"{size_z:g} m is not the height of the range, {high_z - low_z:g} m")
    limits = steps[0].section("MAX_NUMBER_OF_VOXELS")
    return GridConfig(
        x_range=(low_x, high_x),
        y_range=(low_y, high_y),
        z_range=(low_z, high_z),
        pillar_size=(size_x, size_y),
        max_pillars=limits.integer("test"),
        max_points_per_pillar=steps[0].integer("MAX_POINTS_PER_VOXEL"),
        pillar_center_offset=(round(low_x + size_x / 2, 9), round(low_y + size_y / 2, 9)),
    )


def _anchor(settings: Settings) -> AnchorConfig:
    sizes, bottoms = settings.get("anchor_sizes"), settings.numbers("anchor_bottom_heights", 1)
    if not isinstance(sizes, list) or len(sizes) != 1:
        raise settings.refuse("anchor_sizes", f"{sizes!r} is not one size, as each class must have")
    length, width, height = Settings(settings.path, {"size": sizes[0]}, "anchor_sizes.").numbers("size", 3)
    angles = settings.numbers("anchor_rotations")
    return AnchorConfig(str(settings.get("class_name")), (length, width, height), bottoms[0], angles)


def _anchor_grid(sets: list[Settings], grid: GridConfig, stride: int) -> AnchorGridConfig:
    """Place the anchors as OpenPCDet's AnchorGenerator does: in the cells, or from border to border of the range."""
    in_cells = _same(sets, "align_center", default=0)
    offsets, steps = [], []
    for (low, high), cells in ((grid.x_range, grid.nx // stride), (grid.y_range, grid.ny // stride)):
        step = (high - low) / (cells if in_cells else max(cells - 1, 1))
        offsets.append(low + step / 2 if in_cells else low)
        steps.append(step)
    return AnchorGridConfig((offsets[0], offsets[1]), (steps[0], steps[1]))


def _same(sets: list[Settings], name: str, default: int | None = None) -> int:
    """Return an integer or boolean that all classes must share."""
    values = {int(settings.integer(name)) if default is None else int(settings.tree.get(name, 0)) for settings in sets}
    if len(values) != 1:
        raise sets[0].refuse(name, f"the classes differ: {sorted(values)}")
    return values.pop()


def _direction(head: Settings) -> DirectionConfig:
    if head.number("DIR_LIMIT_OFFSET") != 0.0:
        raise head.refuse("DIR_LIMIT_OFFSET", f"{head.number('DIR_LIMIT_OFFSET')} is not 0, the only value supported")
    return DirectionConfig(head.number("DIR_OFFSET"))


def _postprocess(settings: Settings, notes: list[str]) -> PostprocessConfig:
    nms = settings.section("NMS_CONFIG")
    per_class = bool(nms.get("MULTI_CLASSES_NMS"))
    if per_class:
        notes.append("MULTI_CLASSES_NMS: each box has only its best class, whereas OpenPCDet keeps one box per class")
    return PostprocessConfig(
        score_threshold=settings.number("SCORE_THRESH"),
        nms_threshold=nms.number("NMS_THRESH"),
        max_detections=nms.integer("NMS_POST_MAXSIZE"),
        max_candidates=nms.integer("NMS_PRE_MAXSIZE"),
        nms_per_class=per_class,
    )


def _channels(model: Settings) -> int:
    filters = model.section("VFE").integers("NUM_FILTERS")
    if len(filters) != 1:
        raise model.section("VFE").refuse("NUM_FILTERS", f"{list(filters)} is not one layer")
    return filters[0]


def _architecture(model: Settings, config: ModelConfig) -> Architecture:
    backbone = model.section("BACKBONE_2D")
    layers, filters = backbone.integers("LAYER_NUMS"), backbone.integers("NUM_FILTERS")
    lists = {
        name: backbone.integers(name)
        for name in ("LAYER_STRIDES", "UPSAMPLE_STRIDES", "NUM_UPSAMPLE_FILTERS", "NUM_FILTERS")
    }
    for name, values in lists.items():
        if len(values) != len(layers) or not values or min(values) < 1:
            raise backbone.refuse(name, f"{list(values)} are not {len(layers)} numbers of 1 or more")
    return Architecture(
        point_features=OPENPCDET.point_features[0],
        channels=config.rpn.channels,
        convolutions=tuple(layer + 1 for layer in layers),
        filters=filters,
        strides=lists["LAYER_STRIDES"],
        upsample_filters=lists["NUM_UPSAMPLE_FILTERS"],
        upsample_strides=lists["UPSAMPLE_STRIDES"],
        anchors=config.anchors_per_cell,
        classes=len(config.classes),
    )


def _assumed(data: Settings) -> list[str]:
    """List what the file does not specify."""
    notes = [
        "box_coder: yaw, length width height, z of the centre, as in OpenPCDet's ResidualCoder",
        "anchor_mask: none, as in OpenPCDet",
        f"sensor.height: {_KITTI_HEIGHT} m, {_KITTI_BEAMS} beams, intensity 0 to 1, as in KITTI; "
        "correct bundle.yaml for another sensor",
    ]
    if not data.has("POINT_FEATURE_ENCODING"):
        notes.append(f"points: {', '.join(_POINT_VALUES)}, as in OpenPCDet's KITTI dataset")
    if data.tree.get("FOV_POINTS_ONLY"):
        notes.append("FOV_POINTS_ONLY: trained on clouds cropped to the camera's view")
    return notes
