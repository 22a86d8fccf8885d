# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice of ROS 2 and Python: the sourced ones if rclpy works there, else ROS 2 from wheels, Jazzy or DISTRO."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

from support import DISTRO, VENV, WHEEL_DISTROS, SetupError, output_of

# ros-jazzy-* wheels exist for these, and constraints.txt was resolved and tried with each.
WHEEL_PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
OLDEST_PYTHON = (3, 10)

_PREFIX_PATHS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH")
_SEARCH_PATHS = (*_PREFIX_PATHS, "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
# A make above us, an active venv, and pip settings that install elsewhere must not leak in.
_FOREIGN = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONHOME", "VIRTUAL_ENV")
_FOREIGN_PIP = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER")
_WHEEL_GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"

_ASK = """
import importlib.util as util, json, os, sys, sysconfig
print(json.dumps({
    "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": sys.version_info[:2],
    "venv": all(util.find_spec(name) for name in ("venv", "ensurepip")),
    "headers": os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))
"""


class Ros(NamedTuple):
    """The ROS 2 to set up for, and the interpreter under the venv."""

    from_wheels: bool
    distro: str
    python: str

    def __str__(self) -> str:
        """Return one line for the user."""
        return f"ROS 2 {self.distro} " + ("from wheels" if self.from_wheels else "of the platform (sourced)")


class Interpreter(NamedTuple):
    """Properties of a Python interpreter."""

    path: str
    version: tuple[int, int]
    venv: bool
    headers: bool

    @property
    def name(self) -> str:
        """Name with version, such as python3.11."""
        return "python{}.{}".format(*self.version)


def outer_environment() -> dict[str, str]:
    """Return the caller's environment without variables that must not leak in, nor this checkout's own .venv."""
    env = {name: value for name, value in os.environ.items() if name not in (*_FOREIGN, *_FOREIGN_PIP)}
    own = str(VENV)
    for name in _SEARCH_PATHS:
        if name in env:
            kept = [entry for entry in env[name].split(os.pathsep) if entry and not entry.startswith(own)]
            env[name] = os.pathsep.join(kept)
    if _WHEEL_GUARD in env and own in os.environ.get("LD_LIBRARY_PATH", ""):
        del env[_WHEEL_GUARD]
    return {name: value for name, value in env.items() if value or name not in _SEARCH_PATHS}


def sourced_ros(env: dict[str, str]) -> dict[str, str]:
    """Return the variables that say which ROS 2 is sourced; empty if none is."""
    if not (env.get("ROS_DISTRO") and env.get("AMENT_PREFIX_PATH")):
        return {}
    return {name: env.get(name, "") for name in ("ROS_DISTRO", "AMENT_PREFIX_PATH", "PYTHONPATH")}


def choose(requested: str, env: dict[str, str]) -> Ros:
    """Pick ROS and Python; `requested` is the user's PYTHON=, or empty."""
    if DISTRO not in WHEEL_DISTROS:
        known = " and ".join(WHEEL_DISTROS)
        raise SetupError(f"DISTRO={DISTRO}: there are wheels of {known}; any other is to be sourced")
    pythons = _interpreters(requested)
    if sourced_ros(env) and WHEEL_DISTROS[0] == DISTRO:
        for python in pythons:
            if output_of([python.path, "-c", "import rclpy"], env) is not None:
                _require_venv(python)
                return Ros(False, env["ROS_DISTRO"], python.path)
        print(f"ROS {env['ROS_DISTRO']} is sourced, but not used: {pythons[0].path} cannot import rclpy")
    return Ros(True, DISTRO, _python_with_wheels(pythons).path)


def _interpreters(requested: str) -> list[Interpreter]:
    """Return the usable interpreters, the preferred one first; only the requested one if there is one."""
    names = [requested] if requested else [sys.executable, "python3", "/usr/bin/python3"]
    if not requested:
        names += ["python{}.{}".format(*version) for version in reversed(WHEEL_PYTHONS)]
    found: dict[str, Interpreter] = {}
    for name in names:
        path = shutil.which(name)
        answer = output_of([path, "-c", _ASK]) if path else None
        if answer:
            said: dict[str, Any] = json.loads(answer.splitlines()[-1])
            found.setdefault(said["path"], Interpreter(**{**said, "version": tuple(said["version"])}))
    if not found:
        raise SetupError(f"{requested or 'python3'} is not a Python that runs")
    new_enough = [python for python in found.values() if python.version >= OLDEST_PYTHON]
    if not new_enough:
        seen = ", ".join(f"{python.path} ({python.name})" for python in found.values())
        raise SetupError(f"Python >= 3.10 is needed, found only {seen}")
    return new_enough


def _python_with_wheels(pythons: list[Interpreter]) -> Interpreter:
    """Return the first interpreter that the wheels can be installed and built for."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64") or platform.libc_ver()[0] != "glibc":
        machine = f"{platform.system()} {platform.machine()} {platform.libc_ver()[0]}".strip()
        raise SetupError(f"the ROS wheels are for x86_64 glibc Linux, not for {machine}: source a ROS 2")
    fitting = [python for python in pythons if python.version in WHEEL_PYTHONS]
    if not fitting:
        versions = ", ".join("{}.{}".format(*version) for version in WHEEL_PYTHONS)
        raise SetupError(
            f"the ROS wheels are for Python {versions}, found {pythons[0].name}: install one of those "
            "(any place, named by PYTHON=) or source a ROS 2"
        )
    for python in fitting:
        if python.venv and python.headers:
            return python
    _require_venv(fitting[0])
    raise SetupError(f"Python.h of {fitting[0].path} is missing: install {fitting[0].name}-dev")


def _require_venv(python: Interpreter) -> None:
    if not python.venv:
        raise SetupError(f"{python.path} has no venv module: install {python.name}-venv")


def require_build_tools(env: dict[str, str], *, cmake: bool) -> None:
    """Check for compilers and make, needed to generate message packages; and for cmake if no wheel brings it."""
    needed = {
        "gcc": [env.get("CC", ""), "cc", "gcc", "clang"],
        "g++": [env.get("CXX", ""), "c++", "g++", "clang++"],
        "make": ["make", "gmake"],
        **({"cmake": ["cmake"]} if cmake else {}),
    }
    for tool, names in needed.items():
        if not any(shutil.which(name.partition(" ")[0]) for name in names):
            raise SetupError(f"{tool} is missing: building the ROS messages needs it")


def prefixes_with(package: str, prefix_path: str) -> list[Path]:
    """Return the prefixes in an AMENT_PREFIX_PATH that have the package."""
    prefixes = [Path(entry) for entry in prefix_path.split(os.pathsep) if entry]
    return [prefix for prefix in prefixes if (prefix / "share" / package / "package.xml").is_file()]
