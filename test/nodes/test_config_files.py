# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files beside the code: parameter files, launch files and the package manifest agree with it."""

from __future__ import annotations

import ast
import dataclasses
import py_compile
import sys
import xml.etree.ElementTree as ElementTree
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from pointpillars_ov_ros.core.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.nodes.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

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
    "matplotlib": "python3-matplotlib",
    "mpl_toolkits": "python3-matplotlib",
    "numba": "python3-numba",
    "numpy": "python3-numpy",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
PIP_ONLY = {"nncf", "openvino", "ray", "rosbags", "torch"}
MANIFEST = REPOSITORY / "package.xml"


def parameter_files() -> dict[str, dict[str, Any]]:
    """Give the parameters of each file in config/ that is for nodes of this package, by file name."""
    documents = {path.name: yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "config").glob("*.yaml"))}
    return {
        name: {key: value for node in document.values() for key, value in node["ros__parameters"].items()}
        for name, document in documents.items()
        if name != "diagnostics_aggregator.yaml"
    }


def fields_of(node: str) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for settings in SETTINGS[node] for field in dataclasses.fields(settings)}


def imported_packages() -> dict[str, str]:
    """Give the top-level modules imported by package and launch files, each with a file that does."""
    found: dict[str, str] = {}
    for path in [*(REPOSITORY / "pointpillars_ov_ros").rglob("*.py"), *LAUNCH_FILES]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], str(path.relative_to(REPOSITORY)))
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names}


class Said:
    """Stands for any class of `launch` and `launch_ros`: keeps what it was made of."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional = positional
        self.named = named

    def perform(self, context: dict[str, str]) -> str:
        """Give the value of a LaunchConfiguration."""
        return context[self.positional[0]]


class Everything(ModuleType):
    """A module with every name in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Said,), {})


def load_launch_file(path: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a launch file where there is no `launch`, and give what it defines."""
    for name in ("", ".actions", ".substitutions", ".event_handlers", ".events", ".conditions"):
        patch.setitem(sys.modules, f"launch{name}", Everything(f"launch{name}"))
        patch.setitem(sys.modules, f"launch_ros{name}", Everything(f"launch_ros{name}"))
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    return names


def parts(names: dict[str, Any], kind: str) -> list[Said]:
    (actions,) = names["generate_launch_description"]().positional
    return [action for action in actions if type(action).__name__ == kind]


def started(names: dict[str, Any], **arguments: str) -> dict[str, Said]:
    """Give the nodes that a launch file starts, by executable."""
    defaults = {said.positional[0]: said.named["default_value"] for said in parts(names, "DeclareLaunchArgument")}
    (function,) = parts(names, "OpaqueFunction")
    actions = function.named["function"]({**defaults, **arguments})
    return {action.named["executable"]: action for action in actions if type(action).__name__ == "Node"}


def test_there_are_launch_and_parameter_files() -> None:
    assert len(LAUNCH_FILES) >= 2
    assert "velodyne.yaml" in parameter_files()


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
    assert analyzer["startswith"] == ["pointpillars_detector"]
    assert analyzer["num_items"] == 4


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_compile(path: Path, tmp_path: Path) -> None:
    py_compile.compile(str(path), cfile=str(tmp_path / "compiled"), doraise=True)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_describe_every_argument(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = parts(load_launch_file(path, monkeypatch), "DeclareLaunchArgument")
    assert len(declared) >= 5
    for argument in declared:
        assert len(argument.named["description"]) > 10
        assert argument.named["default_value"] is None or isinstance(argument.named["default_value"], str)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_set_the_profile_for_every_distribution(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    variables = [said.positional for said in parts(load_launch_file(path, monkeypatch), "SetEnvironmentVariable")]
    assert [name for name, _ in variables] == ["FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"]
    assert all(Path(value).is_file() for _, value in variables)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_give_nodes_parameters_that_they_have(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = load_launch_file(path, monkeypatch)
    given = {"data": "/kitti", "model": "/bundle", "model_dir": "/bundle"}
    nodes = started(names, **{key: value for key, value in given.items() if key in names["ARGUMENTS"]})
    assert {"pointpillars_detector", "pointpillars_diagnostics"} <= set(nodes)
    for executable in set(nodes) & set(SETTINGS):
        assert nodes[executable].named["package"] == "pointpillars_ov_ros"
        for group in nodes[executable].named["parameters"]:
            if isinstance(group, dict):
                assert set(group) <= set(fields_of(executable))
                for settings in SETTINGS[executable]:
                    from_plain(settings, group)


def test_without_a_model_the_parameter_file_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    names = load_launch_file(REPOSITORY / "launch" / "detector.launch.py", monkeypatch)
    for model, expected in (("", []), ("/bundle", [{"model_dir": "/bundle"}])):
        (file, *rest) = started(names, model_dir=model)["pointpillars_detector"].named["parameters"]
        assert Path(file).is_file()
        assert rest == expected


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


def test_what_has_no_rosdep_key_is_in_a_requirements_file() -> None:
    parts = ("", "-workshop", "-training", "-fleet")
    text = "".join((REPOSITORY / f"requirements{part}.txt").read_text() for part in parts)
    assert all(name in text for name in PIP_ONLY)
