# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Presets, and bundles made of pairs of IR files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.conversion.importers import find_preset, import_ir, preset_names, read_preset
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ir_files, load_bundle
from test.inference.toy_bundle import toy_rpn
from test.inference.toy_models import save_toy_pfe
from test.shared_data import KITTI_CAR, needs_shared_data

PRESET = "smallmunich_car"
every_preset = pytest.mark.parametrize("preset", preset_names())


def make_ir(folder: Path, preset: str = PRESET) -> Path:
    """Write networks with the tensors of a preset."""
    folder.mkdir()
    config = read_preset(preset)
    save_toy_pfe(folder, config)
    ov.save_model(toy_rpn(config), folder / config.rpn.file, compress_to_fp16=False)
    return folder


def refusal(source: Path, preset: str, folder: Path) -> str:
    """Make a bundle, expecting a failure; return the message, and check that nothing is left behind."""
    before = sorted(path.name for path in folder.parent.iterdir())
    with pytest.raises(BundleError) as raised:
        import_ir(source, preset, folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_presets_are_named_in_order() -> None:
    assert PRESET in preset_names()
    assert list(preset_names()) == sorted(preset_names())


@pytest.mark.parametrize("name", ["nonsense", "", "../presets/smallmunich_car", "smallmunich_car.yaml"])
def test_an_unknown_preset_raises_naming_those_known(name: str) -> None:
    with pytest.raises(BundleError) as raised:
        read_preset(name)
    assert str(raised.value) == f"{name!r} is not a known architecture; available: {', '.join(preset_names())}"


@every_preset
def test_a_pair_of_ir_files_becomes_a_bundle(tmp_path: Path, preset: str) -> None:
    source = make_ir(tmp_path / "ir", preset)
    bundle = import_ir(source, preset, tmp_path / "bundle")
    assert load_bundle(tmp_path / "bundle") == bundle
    expected = dataclasses.replace(read_preset(preset), sha256=bundle.config.sha256, provenance=f"IR files of {source}")
    assert bundle.config == expected


@every_preset
def test_files_are_copied_and_the_source_is_left_alone(tmp_path: Path, preset: str) -> None:
    source = make_ir(tmp_path / "ir", preset)
    (source / "README.md").write_text("not of the bundle")
    bundle = import_ir(source, preset, tmp_path / "bundle")
    names = set(ir_files(bundle.config))
    assert {path.name for path in bundle.folder.iterdir()} == {*names, CONFIG_NAME}
    assert {path.name for path in source.iterdir()} == {*names, "README.md"}
    for name in names:
        assert bundle.path(name).read_bytes() == (source / name).read_bytes()


def test_missing_files_raise_naming_all_of_them_and_nothing_is_written(tmp_path: Path) -> None:
    source = make_ir(tmp_path / "ir")
    (source / "pfe.bin").unlink()
    (source / "rpn.xml").unlink()
    message = refusal(source, PRESET, tmp_path / "bundle")
    assert message == f"{source} lacks pfe.bin, rpn.xml, which the architecture {PRESET} needs"


@pytest.mark.parametrize("file", ["pfe.xml", "rpn.xml"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_graph_is_named_and_nothing_is_written(tmp_path: Path, file: str, share: float) -> None:
    source = make_ir(tmp_path / "ir")
    whole = (source / file).read_bytes()
    (source / file).write_bytes(whole[: int(share * len(whole))])
    assert str(source / file) in refusal(source, PRESET, tmp_path / "bundle")


def test_networks_of_another_architecture_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = make_ir(tmp_path / "ir", "openpcdet_kitti_3class")
    assert "no input tensor 'pillar_x'" in refusal(source, PRESET, tmp_path / "bundle")


def test_architectures_with_the_same_tensors_are_not_guessed(tmp_path: Path) -> None:
    source = make_ir(tmp_path / "ir", "openpcdet_kitti_3class")
    with pytest.raises(BundleError, match="mmdet3d_kitti_3class and mmdet_kitti_3class and openpcdet_kitti_3class fit"):
        find_preset(source)


def test_with_fp16_weights_are_written_at_half_the_size(tmp_path: Path) -> None:
    source = make_ir(tmp_path / "ir")
    bundle = import_ir(source, PRESET, tmp_path / "bundle", fp16=True)
    assert load_bundle(tmp_path / "bundle") == bundle
    for file in ("pfe.bin", "rpn.bin"):
        assert bundle.path(file).stat().st_size < 0.7 * (source / file).stat().st_size
    assert find_preset(tmp_path / "bundle") == PRESET


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    source = make_ir(tmp_path / "ir")
    with pytest.raises(BundleError, match=r"is not a bundle; it is left unchanged$"):
        import_ir(source, PRESET, source)
    assert not (source / CONFIG_NAME).exists()


@pytest.mark.parametrize("there", [False, True], ids=["missing", "no networks"])
def test_files_that_no_architecture_fits_raise_in_one_line_that_says_why(tmp_path: Path, there: bool) -> None:
    source = make_ir(tmp_path / "ir") if there else tmp_path / "absent"
    for path in source.glob("*.xml"):
        path.write_text("no network")
    with pytest.raises(BundleError) as raised:
        find_preset(source)
    message = str(raised.value)
    assert message.startswith(f"{source} does not match exactly one known architecture (")
    assert "\n" not in message
    assert all(name in message for name in preset_names())


@needs_shared_data
def test_the_architecture_of_the_shared_network_is_found() -> None:
    assert find_preset(KITTI_CAR) == PRESET


@needs_shared_data
def test_the_shared_network_becomes_a_bundle(tmp_path: Path) -> None:
    import_ir(KITTI_CAR, PRESET, tmp_path / "bundle")
    assert load_bundle(tmp_path / "bundle").config.classes == ("Car",)
