# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenPCDet's YAML files as descriptions of networks."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.conversion.checkpoint_import import describe_file, describe_preset, import_checkpoint
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.conversion.openpcdet_config import describe_openpcdet
from test.conversion.checkpoints import SIZES, save_checkpoint

PUBLISHED = "openpcdet_kitti_3class"
ANCHORS = {"Car": (3.9, 1.6, 1.56, -1.78), "Pedestrian": (0.8, 0.6, 1.73, -0.6), "Cyclist": (1.76, 0.6, 1.73, -0.6)}
BASE = "cfgs/dataset_configs/kitti_dataset.yaml"


def anchor_set(name: str) -> dict[str, Any]:
    *size, bottom = ANCHORS[name]
    return {
        "class_name": name,
        "anchor_sizes": [size],
        "anchor_rotations": [0, 1.57],
        "anchor_bottom_heights": [bottom],
        "align_center": False,
        "feature_map_stride": 2,
    }


def document() -> dict[str, Any]:
    """Return the contents of OpenPCDet's pointpillar.yaml for KITTI."""
    voxels = {
        "NAME": "transform_points_to_voxels",
        "VOXEL_SIZE": [0.16, 0.16, 4],
        "MAX_POINTS_PER_VOXEL": 32,
        "MAX_NUMBER_OF_VOXELS": {"train": 16000, "test": 40000},
    }
    return {
        "CLASS_NAMES": list(ANCHORS),
        "DATA_CONFIG": {
            "_BASE_CONFIG_": BASE,
            "POINT_CLOUD_RANGE": [0, -39.68, -3, 69.12, 39.68, 1],
            "DATA_PROCESSOR": [{"NAME": "mask_points_and_boxes_outside_range"}, voxels],
        },
        "MODEL": {
            "NAME": "PointPillar",
            "VFE": {
                "NAME": "PillarVFE",
                "WITH_DISTANCE": False,
                "USE_ABSLOTE_XYZ": True,
                "USE_NORM": True,
                "NUM_FILTERS": [64],
            },
            "MAP_TO_BEV": {"NAME": "PointPillarScatter", "NUM_BEV_FEATURES": 64},
            "BACKBONE_2D": {
                "NAME": "BaseBEVBackbone",
                "LAYER_NUMS": [3, 5, 5],
                "LAYER_STRIDES": [2, 2, 2],
                "NUM_FILTERS": [64, 128, 256],
                "UPSAMPLE_STRIDES": [1, 2, 4],
                "NUM_UPSAMPLE_FILTERS": [128, 128, 128],
            },
            "DENSE_HEAD": {
                "NAME": "AnchorHeadSingle",
                "CLASS_AGNOSTIC": False,
                "USE_DIRECTION_CLASSIFIER": True,
                "DIR_OFFSET": 0.78539,
                "DIR_LIMIT_OFFSET": 0.0,
                "NUM_DIR_BINS": 2,
                "ANCHOR_GENERATOR_CONFIG": [anchor_set(name) for name in ANCHORS],
                "TARGET_ASSIGNER_CONFIG": {"NAME": "AxisAlignedTargetAssigner", "BOX_CODER": "ResidualCoder"},
            },
            "POST_PROCESSING": {
                "SCORE_THRESH": 0.1,
                "NMS_CONFIG": {
                    "MULTI_CLASSES_NMS": False,
                    "NMS_TYPE": "nms_gpu",
                    "NMS_THRESH": 0.01,
                    "NMS_PRE_MAXSIZE": 4096,
                    "NMS_POST_MAXSIZE": 500,
                },
            },
        },
    }


def changed(where: str, value: Any) -> dict[str, Any]:
    """Return the document with another value at a dotted path; None removes it."""
    tree = copy.deepcopy(document())
    *parents, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    part: Any = tree
    for parent in parents:
        part = part[parent]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return tree


def write(folder: Path, tree: Any, name: str = "pointpillar.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(yaml.safe_dump(tree))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as raised:
        describe_file(path)
    message = str(raised.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def test_the_published_file_is_the_preset(tmp_path: Path) -> None:
    description = describe_openpcdet(write(tmp_path, document()))
    preset = read_preset(PUBLISHED)
    assert dataclasses.replace(description.config, name=preset.name) == preset
    assert description.architecture == describe_preset(PUBLISHED).architecture


def test_what_the_file_does_not_say_is_said(tmp_path: Path) -> None:
    notes = " ".join(describe_openpcdet(write(tmp_path, document())).notes)
    words = ("is not in a folder above", "box_coder", "anchor_mask", "sensor.height", "points: x, y, z, intensity")
    assert all(word in notes for word in (BASE, *words))


def test_the_dataset_file_is_found_above_and_its_values_yield(tmp_path: Path) -> None:
    encoding = {"used_feature_list": ["x", "y", "z", "intensity"]}
    base = {"POINT_CLOUD_RANGE": [0, -40, -3, 70.4, 40, 1], "FOV_POINTS_ONLY": True, "POINT_FEATURE_ENCODING": encoding}
    write(tmp_path / "cfgs" / "dataset_configs", base, "kitti_dataset.yaml")
    description = describe_openpcdet(write(tmp_path / "cfgs" / "kitti_models", document()))
    assert description.config.grid.x_range == (0.0, 69.12)
    notes = " ".join(description.notes)
    assert "FOV_POINTS_ONLY" in notes and str(tmp_path / BASE) in notes and "points: x" not in notes


def test_points_with_other_values_in_the_dataset_file_are_refused(tmp_path: Path) -> None:
    base = {"POINT_FEATURE_ENCODING": {"used_feature_list": ["x", "y", "z", "intensity", "timestamp"]}}
    write(tmp_path / "cfgs" / "dataset_configs", base, "kitti_dataset.yaml")
    assert "used_feature_list" in refusal(write(tmp_path / "cfgs" / "kitti_models", document()))


def test_aligned_anchors_stand_in_the_middle_of_cells(tmp_path: Path) -> None:
    tree = document()
    for part in tree["MODEL"]["DENSE_HEAD"]["ANCHOR_GENERATOR_CONFIG"]:
        part["align_center"] = True
    grid = describe_openpcdet(write(tmp_path, tree)).config.anchor_grid
    assert grid.offset == pytest.approx((0.16, -39.52))
    assert grid.step == pytest.approx((0.32, 0.32))


def test_nms_per_class_is_said_to_differ(tmp_path: Path) -> None:
    tree = changed("MODEL.POST_PROCESSING.NMS_CONFIG.MULTI_CLASSES_NMS", True)
    description = describe_openpcdet(write(tmp_path, tree))
    assert description.config.postprocess.nms_per_class
    assert any("MULTI_CLASSES_NMS" in note for note in description.notes)


FORBIDDEN = {
    "MODEL.NAME": "SECONDNet",
    "MODEL.BACKBONE_3D": {"NAME": "VoxelBackBone8x"},
    "MODEL.VFE.NAME": "DynPillarVFE",
    "MODEL.VFE.WITH_DISTANCE": True,
    "MODEL.VFE.USE_ABSLOTE_XYZ": False,
    "MODEL.VFE.USE_NORM": False,
    "MODEL.VFE.NUM_FILTERS": [64, 64],
    "MODEL.MAP_TO_BEV.NAME": "HeightCompression",
    "MODEL.BACKBONE_2D.NAME": "BaseBEVResBackbone",
    "MODEL.BACKBONE_2D.USE_CONV_FOR_NO_STRIDE": True,
    "MODEL.BACKBONE_2D.UPSAMPLE_STRIDES": [1, 2, 4, 2],
    "MODEL.BACKBONE_2D.LAYER_STRIDES": [0.5, 2, 2],
    "MODEL.DENSE_HEAD.NAME": "AnchorHeadMulti",
    "MODEL.DENSE_HEAD.CLASS_AGNOSTIC": True,
    "MODEL.DENSE_HEAD.USE_DIRECTION_CLASSIFIER": False,
    "MODEL.DENSE_HEAD.NUM_DIR_BINS": 4,
    "MODEL.DENSE_HEAD.DIR_LIMIT_OFFSET": 0.5,
    "MODEL.DENSE_HEAD.TARGET_ASSIGNER_CONFIG.BOX_CODER": "PreviousResidualDecoder",
    "MODEL.DENSE_HEAD.TARGET_ASSIGNER_CONFIG.BOX_CODER_CONFIG": {"encode_angle_by_sincos": True},
    "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.1.anchor_sizes": [[1, 1, 1], [2, 2, 2]],
    "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.1.anchor_bottom_heights": [0, 1],
    "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.1.feature_map_stride": 4,
    "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.1.align_center": True,
    "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.1.class_name": "Truck",
    "CLASS_NAMES": ["Pedestrian", "Car", "Cyclist"],
    "DATA_CONFIG.POINT_CLOUD_RANGE": [0, -39.68, 69.12, 39.68],
    "DATA_CONFIG.DATA_PROCESSOR": [],
    "DATA_CONFIG.DATA_PROCESSOR.1.VOXEL_SIZE": [0.16, 0.16, 0.2],
    "DATA_CONFIG.DATA_PROCESSOR.1.MAX_POINTS_PER_VOXEL": "many",
}


@pytest.mark.parametrize("where", FORBIDDEN)
def test_what_is_not_converted_is_named(tmp_path: Path, where: str) -> None:
    message = refusal(write(tmp_path, changed(where, FORBIDDEN[where])))
    name = where.rsplit(".", 1)[-1]
    assert name in message or "ANCHOR_GENERATOR_CONFIG" in message


@pytest.mark.parametrize(
    "where",
    [
        "CLASS_NAMES",
        "DATA_CONFIG.POINT_CLOUD_RANGE",
        "MODEL.VFE",
        "MODEL.BACKBONE_2D.NUM_FILTERS",
        "MODEL.DENSE_HEAD.DIR_OFFSET",
        "MODEL.DENSE_HEAD.ANCHOR_GENERATOR_CONFIG.0.anchor_rotations",
        "MODEL.POST_PROCESSING.NMS_CONFIG.NMS_THRESH",
    ],
)
def test_a_missing_setting_is_named(tmp_path: Path, where: str) -> None:
    message = refusal(write(tmp_path, changed(where, None)))
    assert where.rsplit(".", 1)[-1] in message and "missing" in message


@pytest.mark.parametrize(
    ("where", "value", "word"),
    [
        ("MODEL.POST_PROCESSING.SCORE_THRESH", 0.0, "postprocess.score_threshold"),
        ("DATA_CONFIG.POINT_CLOUD_RANGE", [0, -39.68, -3, 69.2, 39.68, 1], "grid.pillar_size"),
    ],
)
def test_values_that_this_package_does_not_take_are_named(tmp_path: Path, where: str, value: Any, word: str) -> None:
    assert word in refusal(write(tmp_path, changed(where, value)))


@pytest.mark.parametrize("text", ["MODEL: [", "- 1", "7", "", "name: x", "MODEL: 1\nDATA_CONFIG: 2"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    refusal(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refusal(tmp_path / "absent.yaml")


def small_document() -> dict[str, Any]:
    """Return the file of the small network of these tests."""
    tree = document()
    tree["DATA_CONFIG"]["POINT_CLOUD_RANGE"] = [0, -2.4, -3, 5.12, 2.4, 1]
    tree["DATA_CONFIG"]["DATA_PROCESSOR"][1]["VOXEL_SIZE"] = [0.16, 0.2, 4]
    tree["MODEL"]["VFE"]["NUM_FILTERS"] = [SIZES.channels]
    tree["MODEL"]["BACKBONE_2D"] |= {
        "LAYER_NUMS": list(SIZES.layers),
        "LAYER_STRIDES": list(SIZES.strides),
        "NUM_FILTERS": list(SIZES.filters),
        "UPSAMPLE_STRIDES": list(SIZES.upsample_strides),
        "NUM_UPSAMPLE_FILTERS": list(SIZES.upsample_filters),
    }
    tree["MODEL"]["DENSE_HEAD"]["ANCHOR_GENERATOR_CONFIG"][2]["anchor_rotations"] = [0.3]
    return tree


def test_a_checkpoint_is_converted_with_its_file(tmp_path: Path) -> None:
    description = describe_file(write(tmp_path, small_document()))
    path = save_checkpoint("openpcdet", tmp_path / "a.pth")
    bundle, notes = import_checkpoint(path, tmp_path / "bundle", description)
    assert isinstance(description.architecture, Architecture)
    assert bundle.config.classes == tuple(ANCHORS)
    assert set(description.notes) <= set(notes)


@pytest.mark.parametrize(
    ("name", "value"),
    [("LAYER_NUMS", [1, 3, 1]), ("NUM_FILTERS", [5, 8, 8]), ("NUM_UPSAMPLE_FILTERS", [4, 3, 5])],
)
def test_a_checkpoint_of_other_sizes_than_its_file_says_is_refused(tmp_path: Path, name: str, value: list[int]) -> None:
    tree = small_document()
    tree["MODEL"]["BACKBONE_2D"][name] = value
    path = save_checkpoint("openpcdet", tmp_path / "a.pth")
    with pytest.raises(BundleError, match=r"key 'backbone_2d\.(de)?blocks"):
        import_checkpoint(path, tmp_path / "bundle", describe_file(write(tmp_path, tree)))


def test_strides_that_do_not_meet_are_refused(tmp_path: Path) -> None:
    tree = small_document()
    tree["MODEL"]["BACKBONE_2D"]["LAYER_STRIDES"] = [2, 1, 2]
    path = save_checkpoint("openpcdet", tmp_path / "a.pth")
    with pytest.raises(BundleError, match=r"a block of stride 2, upsampled by 2, is not rpn\.stride"):
        import_checkpoint(path, tmp_path / "bundle", describe_file(write(tmp_path, tree)))


def test_a_bundle_yaml_is_a_configuration(tmp_path: Path) -> None:
    config = read_preset(PUBLISHED)
    path = write(tmp_path, {**to_mapping(config), "sha256": {"pfe.xml": "0"}}, "bundle.yaml")
    description = describe_file(path)
    assert description.config == config
    assert str(path) in " ".join(description.notes)
