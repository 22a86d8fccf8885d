# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package as pip installs it: contents of its archives, and detection without ROS."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import pointpillars_ov_ros
from pointpillars_ov_ros.model.shipped import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pointpillars_ov_ros"
MAX_BYTES = 16e6
"""Maximum size of an archive: what a robot downloads."""
ROS_VARIABLES = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "ROS_DISTRO")

pytest.importorskip("build", reason="archives are built with it: make env")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the files that git knows: building leaves folders behind."""
    folder = tmp_path_factory.mktemp("source")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("the files of the package are listed by git, which does not know this folder")
    for name in done.stdout.decode().split("\0"):
        origin, copy = ROOT / name, folder / name
        if not name or not (origin.is_symlink() or origin.is_file()):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_symlink():
            copy.symlink_to(os.readlink(origin))
        else:
            copy.write_bytes(origin.read_bytes())
    return folder


@pytest.fixture(scope="module")
def archives(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a source archive and of the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--skip-dependency-check", "--outdir", str(out)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Path:
    (path,) = archives.glob("*.whl")
    return path


def members(path: Path) -> list[str]:
    """Return the names of the files in a wheel or a source archive."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    with tarfile.open(path) as archive:
        return [member.name for member in archive.getmembers() if member.isfile()]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_an_archive_holds_each_bundled_model_once_and_is_small(archives: Path, pattern: str) -> None:
    (path,) = archives.glob(pattern)
    found = members(path)
    for bundle in SHIPPED:
        for file in ("bundle.yaml", "pfe.xml", "pfe.bin", "rpn.xml", "rpn.bin"):
            assert sum(name.endswith(f"{bundle}/{file}") for name in found) == 1, (bundle, file)
    assert path.stat().st_size <= MAX_BYTES


def test_the_wheel_holds_every_file_of_the_package_and_nothing_of_the_repository(source: Path, wheel: Path) -> None:
    wanted = {str(path.relative_to(source)) for path in (source / PACKAGE).rglob("*") if path.is_file()}
    found = {name for name in members(wheel) if name.startswith(f"{PACKAGE}/")}
    assert found == wanted
    assert {name.split("/")[0].split("-")[0] for name in members(wheel)} == {PACKAGE}


def test_launch_files_and_parameters_are_installed_to_share(source: Path, wheel: Path) -> None:
    shared = {name.partition(f"share/{PACKAGE}/")[2] for name in members(wheel)} - {""}
    wanted = {str(path.relative_to(source)) for path in (source / "launch").glob("*.launch.py")}
    wanted |= {str(path.relative_to(source)) for path in (source / "config").rglob("*") if path.is_file()}
    assert shared == wanted | {"package.xml"}


def test_package_xml_is_where_the_version_and_the_authors_stand(wheel: Path) -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    said = metadata(wheel)
    assert said["Version"] == manifest.findtext("version") == pointpillars_ov_ros.__version__
    assert said["Author"] == manifest.findtext("author")
    assert "example.com" not in (ROOT / "package.xml").read_text()


def test_every_extra_and_every_requirement_is_declared(wheel: Path) -> None:
    said = metadata(wheel)
    assert {"quantize", "train", "ray", "sign", "fuzz", "dev"} <= set(said.get_all("Provides-Extra"))
    required = [line for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    listed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert sorted(line.lower() for line in required) == sorted(line.lower() for line in listed)


def test_programs_that_colcon_installs_run_in_the_active_environment(source: Path, tmp_path: Path) -> None:
    # As colcon does it, with the Python of colcon, which is not the one of the user's virtual environment.
    command = [sys.executable, "setup.py", "--quiet", "install_scripts", "--install-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    programs = list(tmp_path.iterdir())
    assert {path.name for path in programs} >= {"pointpillars_ov", "pointpillars_detector"}
    assert {path.read_text().splitlines()[0] for path in programs} == {"#!/usr/bin/env python3"}


def test_a_robot_without_a_screen_needs_no_rviz() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    needed = {element.text for kind in ("depend", "exec_depend") for element in manifest.findall(kind)}
    assert not needed & {"rviz2", "ros2bag", "vision_msgs_rviz_plugins"}


@pytest.mark.slow
def test_in_a_fresh_environment_without_ros_it_finds_its_model_and_detects(wheel: Path, tmp_path: Path) -> None:
    outside = {name: value for name, value in os.environ.items() if name not in ROS_VARIABLES}
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    constraints = str(ROOT / "env" / "constraints.txt")
    install = [str(programs / "pip"), "install", "--quiet", "-c", constraints, str(wheel)]
    done = subprocess.run(install, env=outside, capture_output=True, text=True)
    if "NewConnectionError" in done.stderr or "NameResolutionError" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr

    def output(program: str, *arguments: str) -> str:
        command = [str(programs / program), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    code = "from pointpillars_ov_ros.model.shipped import shipped_model; print(shipped_model())"
    folder = Path(output("python", "-c", code).strip())
    assert folder.is_relative_to(programs.parent) and (folder / "bundle.yaml").is_file()
    assert "Car, Pedestrian, Cyclist" in output("pointpillars_ov", "inspect")
    assert "streets_int8" in output("pointpillars_ov", "inspect", str(folder))
    output("pointpillars_ov", "simulate", "--out", "drive", "--frames", "2")
    assert "Car" in output("pointpillars_ov", "evaluate", "--data", "drive")
