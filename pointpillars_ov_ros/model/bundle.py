# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: a folder with `bundle.yaml` (a `ModelConfig`) and the IR files it names, each with its sha256."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pointpillars_ov_ros.config.documents import parse_yaml, read_yaml_text
from pointpillars_ov_ros.config.errors import BundleError, ConfigError, shown
from pointpillars_ov_ros.config.files import write_folder
from pointpillars_ov_ros.config.first_bytes import Content, identify
from pointpillars_ov_ros.config.mapping import from_mapping, to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.regular_file import open_regular
from pointpillars_ov_ros.model.signature import SUFFIX, check_signature

CONFIG_NAME = "bundle.yaml"


@dataclass(frozen=True)
class ModelBundle:
    """A bundle whose files match its description."""

    config: ModelConfig
    folder: Path

    def path(self, file: str) -> Path:
        """Return the path of a file of the bundle."""
        return self.folder / file


def load_bundle(folder: str | Path, public_key: Path | None = None) -> ModelBundle:
    """Read `folder`/bundle.yaml and check the sha256 of every file.

    With a `public_key` (Ed25519, PEM), a bundle that the owner of that key has not signed is refused. Raises
    BundleError.
    """
    folder = Path(folder)
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise BundleError(
            f"{folder} holds no {CONFIG_NAME}; `pointpillars_ov convert` makes a bundle from a pair of IR files"
        )
    text = read_yaml_text(path)
    if public_key is not None:
        check_signature(path, text.encode(), public_key)
    config = _to_config(text, path)
    for file in ir_files(config):
        if file not in config.sha256:
            raise BundleError(f"{path}: sha256: {file} is missing, so it cannot be checked")
    for file, expected in config.sha256.items():
        _check_place(path, file)
        actual = sha256(folder / file)
        if actual != expected and identify(folder / file) is Content.GIT_LFS:
            raise BundleError(f"{folder / file} is {Content.GIT_LFS.value}")
        if actual != expected:
            raise BundleError(
                f"{folder / file} is not the file that {CONFIG_NAME} describes "
                f"(sha256 {actual[:12]}… instead of {expected[:12]}…)"
            )
    return ModelBundle(config, folder)


def _check_place(path: Path, file: str) -> None:
    """Raise BundleError unless `file` is beside the bundle.yaml at `path`.

    Links to another folder are accepted if all files link there: `colcon build --symlink-install` installs a bundle
    like that, and so does a link named `current`.
    """
    if Path(file).name != file or file in ("", "..") or not file.isprintable():
        raise BundleError(f"{path}: sha256: {shown(file)} is outside the bundle; use a plain file name")
    place = path.with_name(file)
    if not place.is_file():
        raise BundleError(f"{place} is missing, but {CONFIG_NAME} names it")
    if place.resolve().parent != path.resolve().parent:
        raise BundleError(f"{place} is outside the bundle: it is a link to {place.resolve()}")


def read_config(path: Path) -> ModelConfig:
    """Read a `ModelConfig` from YAML; BundleError names file, field and value."""
    return _to_config(read_yaml_text(path), path)


def _to_config(text: str, path: Path) -> ModelConfig:
    document = parse_yaml(text, str(path), BundleError)
    try:
        return from_mapping(ModelConfig, document)
    except ConfigError as error:
        raise BundleError(f"{path}: {error}") from None


def write_bundle(config: ModelConfig, sources: dict[str, Path], folder: Path) -> ModelBundle:
    """Copy `sources` (keyed by their name in the bundle) and write bundle.yaml with their hashes, all or nothing.

    `folder` must not exist or must hold a bundle, which is replaced.
    """
    if folder.exists():
        _check_replaceable(folder)
    config = dataclasses.replace(config, sha256={name: sha256(path) for name, path in sources.items()})

    def fill(fresh: Path) -> None:
        for name, source in sources.items():
            shutil.copyfile(source, fresh / name)
        text = yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)
        (fresh / CONFIG_NAME).write_text(text, encoding="utf-8")

    write_folder(folder, fill)
    return ModelBundle(config, folder)


def change_postprocess(bundle: ModelBundle, **changes: Any) -> ModelBundle:
    """Write `bundle` again, in its folder, with some fields of `postprocess` changed; a signature is removed."""
    postprocess = dataclasses.replace(bundle.config.postprocess, **changes)
    config = dataclasses.replace(bundle.config, postprocess=postprocess)
    return write_bundle(config, {name: bundle.path(name) for name in config.sha256}, bundle.folder)


def _check_replaceable(folder: Path) -> None:
    """Raise BundleError unless `folder` holds a bundle and nothing else."""
    if not (folder / CONFIG_NAME).is_file():
        raise BundleError(f"{folder} exists and is not a bundle; it is left unchanged")
    known = {CONFIG_NAME, CONFIG_NAME + SUFFIX, *read_config(folder / CONFIG_NAME).sha256}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if foreign:
        raise BundleError(f"{folder} holds {foreign[0]}, which is not part of that bundle; it is left unchanged")


def ir_files(config: ModelConfig) -> tuple[str, ...]:
    """Return the file names of the two IRs: each .xml and the .bin beside it."""
    graphs = (config.pfe.file, config.rpn.file)
    return tuple(name for graph in graphs for name in (graph, f"{graph.removesuffix('.xml')}.bin"))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, hexadecimal."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
