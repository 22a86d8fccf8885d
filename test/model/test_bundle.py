# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles: written whole or not at all, and refused when a file is not what the description says."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import openvino
import pytest
import yaml

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.config.errors import BundleError, ConfigError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.model.bundle import (
    CONFIG_NAME,
    ModelBundle,
    ir_files,
    load_bundle,
    read_config,
    sha256,
    write_bundle,
)
from test.builders import tiny_config

FILES = ("pfe.xml", "pfe.bin", "rpn.xml", "rpn.bin")


def make_sources(folder: Path, text: str = "content") -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(f"{text} of {name}")
    return {name: folder / name for name in FILES}


def make_bundle(folder: Path, **changes: Any) -> ModelBundle:
    return write_bundle(tiny_config(**changes), make_sources(folder.parent / "sources"), folder)


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / CONFIG_NAME
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**document, **changes}))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as raised:
        load_bundle(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = make_bundle(tmp_path / "bundle", provenance="made up: « yes »", licence="none")
    read = load_bundle(tmp_path / "bundle")
    assert read == written
    assert read.config.provenance == "made up: « yes »"
    assert read.path("pfe.xml").read_text() == "content of pfe.xml"


def test_the_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    config = make_bundle(tmp_path / "bundle").config
    assert set(config.sha256) == set(FILES)
    for name in FILES:
        assert config.sha256[name] == hashlib.sha256(f"content of {name}".encode()).hexdigest()


def test_hashing_goes_through_large_files(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "large").write_bytes(content)
    assert sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()


def test_the_files_of_a_model_are_both_graphs_and_their_weights() -> None:
    assert sorted(ir_files(tiny_config())) == sorted(FILES)


def test_a_folder_without_a_description_is_no_bundle(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert refusal(folder).startswith(f"{folder} holds no {CONFIG_NAME}")


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    (folder / name).write_text("altered")
    message = refusal(folder)
    assert message.startswith(f"{folder / name} is not the file that {CONFIG_NAME} describes")
    assert hashlib.sha256(b"altered").hexdigest()[:12] in message


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    (folder / name).unlink()
    assert refusal(folder) == f"{folder / name} is missing, but {CONFIG_NAME} names it"


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_hash_is_refused(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    hashes = {file: value for file, value in bundle.config.sha256.items() if file != name}
    edit_config(bundle.folder, sha256=hashes)
    assert f"sha256: {name} is missing" in refusal(bundle.folder)


@pytest.mark.parametrize("name", ["../outside.xml", "sub/inside.xml", "/etc/hostname", "./pfe.xml", ".."])
def test_a_path_that_leaves_the_bundle_is_refused(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "outside.xml").write_text("outside")
    hashes = {name: hashlib.sha256(b"outside").hexdigest(), **bundle.config.sha256}
    edit_config(bundle.folder, sha256=hashes)
    message = refusal(bundle.folder)
    assert name in message


def test_a_graph_outside_the_bundle_is_refused_even_with_a_good_hash(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    outside = make_sources(tmp_path / "elsewhere")
    hashes = {f"../elsewhere/{name}": sha256(path) for name, path in outside.items()}
    pfe = {**to_mapping(bundle.config.pfe), "file": "../elsewhere/pfe.xml"}
    edit_config(bundle.folder, sha256={**bundle.config.sha256, **hashes}, pfe=pfe)
    assert "is outside the bundle" in refusal(bundle.folder)


def test_an_unknown_key_is_refused_naming_file_and_key(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    edit_config(folder, extra=1)
    assert refusal(folder).startswith(f"{folder / CONFIG_NAME}: extra: unknown key; known keys are format, name")


def test_a_bad_value_is_refused_naming_file_field_and_value(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    edit_config(folder, format=99)
    assert refusal(folder).startswith(f"{folder / CONFIG_NAME}: format: 99 is not 1")


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: b: c\n", 1), ("a: 'x\n", 2)],
)
def test_bad_yaml_is_refused_naming_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / CONFIG_NAME).write_text(text)
    assert refusal(tmp_path).startswith(f"{tmp_path / CONFIG_NAME}:{line}: invalid YAML (")


@pytest.mark.parametrize("text", ["", "- 1\n", "just text\n", "3\n"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_NAME).write_text(text)
    assert "expected a mapping" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: \x07\n", b"!!python/object:os.system {}\n"])
def test_what_is_no_plain_text_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIG_NAME).write_bytes(content)
    assert refusal(tmp_path).startswith(f"{tmp_path / CONFIG_NAME}:")


def test_a_description_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")


def test_parents_of_a_new_bundle_are_made(tmp_path: Path) -> None:
    make_bundle(tmp_path / "some" / "where" / "bundle")
    load_bundle(tmp_path / "some" / "where" / "bundle")


def test_an_existing_bundle_is_replaced_whole(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    config = dataclasses.replace(tiny_config(), name="second")
    write_bundle(config, make_sources(tmp_path / "second", "new content"), folder)
    assert load_bundle(folder).config.name == "second"
    assert set(contents(folder)) == {*FILES, CONFIG_NAME}
    assert (folder / "pfe.bin").read_text() == "new content of pfe.bin"


def test_a_bundle_with_a_foreign_file_in_its_folder_is_left_alone(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"notes\.txt"):
        write_bundle(tiny_config(name="second"), make_sources(tmp_path / "second", "new content"), folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert load_bundle(folder).config.name == "tiny"


def test_a_bundle_can_be_written_from_its_own_files(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    write_bundle(tiny_config(name="second"), {name: folder / name for name in FILES}, folder)
    assert load_bundle(folder).config.name == "second"


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_text("cat")
    with pytest.raises(BundleError, match=r"exists and is not a bundle; it is left unchanged$"):
        make_bundle(folder)
    assert contents(folder) == {"cat.jpg": b"cat"}


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("a file")
    with pytest.raises(BundleError, match=r"it is left unchanged$"):
        make_bundle(tmp_path / "bundle")
    assert (tmp_path / "bundle").read_text() == "a file"


@pytest.mark.parametrize("existing", [False, True])
def test_when_a_source_is_missing_nothing_changes(tmp_path: Path, existing: bool) -> None:
    folder = tmp_path / "bundle"
    if existing:
        make_bundle(folder)
    sources = make_sources(tmp_path / "second", "new content")
    sources["rpn.bin"].unlink()
    before = contents(tmp_path)
    with pytest.raises((BundleError, OSError)):
        write_bundle(tiny_config(), sources, folder)
    assert contents(tmp_path) == before


def test_when_the_new_bundle_cannot_be_put_in_place_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    before = contents(folder)
    rename = Path.rename

    def rename_but_not_the_new_one(path: Path, target: Path) -> Path:
        if path.name == "bundle" and path != folder:
            raise OSError("disk trouble")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_but_not_the_new_one)
    with pytest.raises((BundleError, OSError)):
        make_bundle(folder)
    assert folder.is_dir()
    assert contents(folder) == before


def test_a_moved_bundle_is_still_good(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle")
    shutil.move(tmp_path / "bundle", tmp_path / "moved")
    assert load_bundle(tmp_path / "moved").folder == tmp_path / "moved"


def make_link(bundle: ModelBundle, name: str, target: Path) -> None:
    bundle.path(name).unlink()
    bundle.path(name).symlink_to(target)


def test_a_file_that_is_a_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    """Even if its hash matches: another process may change it unnoticed."""
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "outside").write_bytes(bundle.path("pfe.xml").read_bytes())
    make_link(bundle, "pfe.xml", tmp_path / "outside")
    expected = f"{bundle.path('pfe.xml')} is outside the bundle: it is a link to {tmp_path / 'outside'}"
    assert refusal(bundle.folder) == expected


def test_links_within_the_bundle_are_followed(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    bundle.path("pfe.xml").rename(bundle.path("pfe.v2.xml"))
    bundle.path("pfe.xml").symlink_to("pfe.v2.xml")
    load_bundle(bundle.folder)


def test_a_folder_may_be_a_link_and_all_its_files_links_to_one_other(tmp_path: Path) -> None:
    """As `current -> v3`, and as `colcon build --symlink-install` installs the bundled models."""
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "current").symlink_to(bundle.folder)
    load_bundle(tmp_path / "current")
    installed = tmp_path / "installed"
    installed.mkdir()
    for path in bundle.folder.iterdir():
        (installed / path.name).symlink_to(path)
    load_bundle(installed)


@pytest.mark.parametrize("name", ["pfe.onnx", "pfe", "", "..", "pfe.xml\n", ".bin"])
@pytest.mark.parametrize("part", ["pfe", "rpn"])
def test_a_network_that_is_no_ir_is_refused(tmp_path: Path, part: str, name: str) -> None:
    """OpenVINO would read other formats, of which some take their weights from any file."""
    bundle = make_bundle(tmp_path / "bundle")
    parts = to_mapping(bundle.config)
    edit_config(bundle.folder, **{part: {**parts[part], "file": name}})
    assert f"{part}.file: {name!r} is not the name of an .xml file" in refusal(bundle.folder)


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("pillar_size", [1e-6, 0.2], "cells at most"),
        ("pillar_size", [5e-324, 0.2], "cells at most"),
        ("x_range", [-1e308, 1e308], "an increasing pair of numbers within 1e+06 m"),
        pytest.param("z_range", [0.0, 10**400], "is too large", id="400 digits"),
        ("max_pillars", 10**9, "between 1 and 1000000"),
        pytest.param("max_points_per_pillar", 10**5000, "a number of 5000 digits is not between", id="5000 digits"),
        ("pillar_center_offset", [float("nan"), 0.0], "within 1e+06 m"),
    ],
)
def test_a_grid_that_no_memory_holds_is_refused(where: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        tiny_config(grid={where: value})


def test_nothing_is_given_to_openvino_before_its_hash_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[object] = []
    for name in ("read_model", "compile_model"):
        monkeypatch.setattr(openvino.Core, name, lambda *arguments, **_: read.append(arguments))
    bundle = make_bundle(tmp_path / "bundle")
    bundle.path("rpn.bin").write_text("altered")
    for command in (["inspect", str(bundle.folder)], ["parity", "--model", str(bundle.folder)]):
        assert cli.main(command) == 1
        assert "rpn.bin is not the file" in capsys.readouterr().err
    assert read == []
