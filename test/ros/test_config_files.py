# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files beside the code: parameter files and the package manifest agree with it."""

from __future__ import annotations

import ast
import dataclasses
import sys
import xml.etree.ElementTree as ElementTree
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = {
    "pointpillars_detector": (RuntimeConfig, DetectorNodeConfig),
    "pointpillars_diagnostics": (DiagnosticsConfig,),
    "kitti_player": (PlayerConfig,),
}
LAUNCH_FILES = sorted((REPOSITORY / "launch").glob("*.launch.py"))
# Modules that do not come from a ROS package, and the rosdep key of each that has one.
ROSDEP_KEYS = {
    # What Numba is made of, and comes with it.
    "llvmlite": "python3-numba",
    "jinja2": "python3-jinja2",
    "markupsafe": "python3-jinja2",
    "matplotlib": "python3-matplotlib",
    "mpl_toolkits": "python3-matplotlib",
    "numba": "python3-numba",
    "numpy": "python3-numpy",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
PIP_ONLY = {
    "cryptography",
    "lz4",
    "mcap",
    "nncf",
    "openvino",
    "pypcd4",
    "ray",
    "rerun",
    "rosbags",
    "torch",
    "zstandard",
}
MANIFEST = REPOSITORY / "package.xml"


def parameter_files() -> dict[str, dict[str, Any]]:
    """Return the parameters of each file in config/ that is for nodes of this package, by file name."""
    documents = {path.name: yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "config").glob("*.yaml"))}
    return {
        name: {key: value for node in document.values() for key, value in node["ros__parameters"].items()}
        for name, document in documents.items()
        if name != "diagnostics_aggregator.yaml"
    }


def fields_of(node: str) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for settings in SETTINGS[node] for field in dataclasses.fields(settings)}


def imported_packages() -> dict[str, str]:
    """Return the top-level modules imported by package and launch files, each with a file that does."""
    found: dict[str, str] = {}
    for path in [*(REPOSITORY / "pointpillars_ov_ros").rglob("*.py"), *LAUNCH_FILES]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], str(path.relative_to(REPOSITORY)))
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names}


def test_there_is_a_parameter_file_for_each_machine_and_the_sensor() -> None:
    assert set(parameter_files()) == {"auto.yaml", "cpu.yaml", "igpu.yaml", "low_power.yaml", "velodyne.yaml"}


@pytest.mark.parametrize("name", parameter_files())
def test_every_parameter_file_is_for_nodes_of_any_name_and_says_what_it_is_for(name: str) -> None:
    text = (REPOSITORY / "config" / name).read_text()
    assert text.startswith("# ")
    assert list(yaml.safe_load(text)) == ["/**"]


@pytest.mark.parametrize("name", parameter_files())
def test_every_parameter_of_a_parameter_file_is_declared_and_valid(name: str) -> None:
    known = {field: node for node in SETTINGS for field in fields_of(node)}
    given = parameter_files()[name]
    assert set(given) <= set(known)
    for settings in [settings for group in SETTINGS.values() for settings in group]:
        from_plain(settings, given)


@pytest.mark.parametrize("name", parameter_files())
def test_every_parameter_of_a_parameter_file_has_the_type_that_is_declared(name: str) -> None:
    fields = {field: spec for node in SETTINGS for field, spec in fields_of(node).items()}
    for key, value in parameter_files()[name].items():
        default = fields[key].default
        assert type(value) is type(default.value if isinstance(default, Enum) else default), key


def test_the_aggregator_looks_for_what_the_diagnostics_are_called() -> None:
    document = yaml.safe_load((REPOSITORY / "config" / "diagnostics_aggregator.yaml").read_text())
    analyzer = document["/**"]["ros__parameters"]["pointpillars"]
    assert analyzer["contains"] == ["pointpillars_detector: "]


def test_the_manifest_is_of_format_3_and_ament_python() -> None:
    root = ElementTree.parse(MANIFEST).getroot()
    assert root.attrib["format"] == "3"
    assert root.findtext("name") == "pointpillars_ov_ros"
    assert root.findtext("license") == "Apache-2.0"
    assert root.findtext("export/build_type") == "ament_python"


def test_no_dependency_is_named_twice() -> None:
    root = ElementTree.parse(MANIFEST).getroot()
    for tag in ("depend", "exec_depend", "test_depend"):
        named = [element.text for element in root.iter(tag)]
        assert len(set(named)) == len(named)


@pytest.mark.parametrize(
    "module",
    sorted(imported_packages().keys() - PIP_ONLY - {"pointpillars_ov_ros"}),
)
def test_the_manifest_names_every_package_that_is_imported(module: str) -> None:
    root = ElementTree.parse(MANIFEST).getroot()
    named = {element.text for tag in ("depend", "exec_depend") for element in root.iter(tag)}
    assert ROSDEP_KEYS.get(module, module) in named, f"imported by {imported_packages()[module]}"


def test_what_has_no_rosdep_key_is_installed_by_pip() -> None:
    text = "".join((REPOSITORY / name).read_text() for name in ("requirements.txt", "setup.py"))
    assert all(name in text for name in PIP_ONLY)
