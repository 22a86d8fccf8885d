# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The environment that commands run in, and starters that need no colcon script at start."""

from __future__ import annotations

import configparser
import os
import shlex
from pathlib import Path

from ros_choice import Ros
from steps import PACKAGE, PYTHON
from support import COLCON, VENV, SetupError, output_of

ROS_ENV = VENV / "ros_env.sh"

_WHOLE = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "ROS_DISTRO", "ROS_VERSION", "ROS_PYTHON_VERSION")
_SEARCHED = ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
_MAIN = """#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def build_environment(ros: Ros, outer: dict[str, str]) -> dict[str, str]:
    """Return the environment for pip, colcon and everything else, before this workspace is sourced."""
    env = {**outer, "VIRTUAL_ENV": str(VENV), "PATH": _joined(VENV / "bin", outer.get("PATH", os.defpath))}
    if not ros.from_wheels:
        return env
    # The venv is the ament prefix. Its libraries are found by LD_LIBRARY_PATH, for which the wheels otherwise
    # start Python a second time; the guard variable says that it is set. Packages of another ROS stay out.
    libraries = [VENV / "lib", *sorted(VENV.glob("lib/python3*/site-packages/ros_*.libs"))]
    for name in ("COLCON_PREFIX_PATH", "PYTHONPATH"):
        env.pop(name, None)
    env.update(
        AMENT_PREFIX_PATH=str(VENV),
        CMAKE_PREFIX_PATH=str(VENV),
        LD_LIBRARY_PATH=_joined(*libraries, outer.get("LD_LIBRARY_PATH", "")),
        ROS_DISTRO=ros.distro,
        ROS_PYTHON_VERSION="3",
        ROS_VERSION="2",
        _ROS_WHEELS_BOOTSTRAP_COMPLETE="1",
    )
    return env


def write_environment(ros: Ros, env: dict[str, str]) -> None:
    """Write ros_env.sh: what sourcing the workspace over `env` yields, as exports for any POSIX shell."""
    setup = COLCON / "install" / "local_setup.bash"
    # colcon's script does not quote its Python: in a checkout whose path has spaces, the one under the venv works.
    command = ["bash", "-c", f". {shlex.quote(str(setup))} && env -0"]
    dump = output_of(command, {**env, "COLCON_PYTHON_EXECUTABLE": ros.python})
    if dump is None:
        raise SetupError(f"{setup} cannot be sourced by bash")
    sourced = dict(entry.split("=", 1) for entry in dump.split("\0") if "=" in entry)
    lines = [f"# {ros}; written by env/bootstrap.py. Source it, or prefix a command with {VENV}/bin/ros-run."]
    lines += [f"export {name}={shlex.quote(sourced[name])}" for name in _WHOLE if name in sourced]
    prefixes = (str(VENV), *sourced["AMENT_PREFIX_PATH"].split(os.pathsep))
    for name in _SEARCHED:
        kept = [entry for entry in sourced.get(name, "").split(os.pathsep) if entry.startswith(prefixes)]
        # With ROS from wheels, the packages of another ROS on the caller's PYTHONPATH would come before them.
        rest = "" if ros.from_wheels and name == "PYTHONPATH" else f'"${{{name}:+:${name}}}"'
        lines.append(f"export {name}={shlex.quote(os.pathsep.join(kept))}{rest}")
    if ros.from_wheels:
        lines.append("export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1")
        lines.append('export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"')
    ROS_ENV.write_text("\n".join(lines) + "\n")


def write_starters() -> None:
    """Write .venv/bin/ros-run, and one starter per console script of this package."""
    source = f"#!/bin/sh\n. {shlex.quote(str(ROS_ENV))}\n"
    _write_executable(VENV / "bin" / "ros-run", source + 'exec "$@"\n')
    points = configparser.ConfigParser()
    points.read(COLCON / "build" / PACKAGE / f"{PACKAGE}.egg-info" / "entry_points.txt")
    for name, target in points["console_scripts"].items():
        module, function = target.split(":")
        script = VENV / "libexec" / name
        _write_executable(script, _MAIN.format(python=PYTHON, module=module, function=function))
        command = f'exec {shlex.quote(PYTHON)} {shlex.quote(str(script))} "$@"\n'
        _write_executable(VENV / "bin" / name, source + command)


def _joined(*entries: str | Path) -> str:
    """Return a search path without empty entries, which would mean the current folder."""
    return os.pathsep.join(str(entry) for entry in entries if str(entry))


def _write_executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
