# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set up an OpenCL device that OpenVINO's GPU plugin takes for an integrated GPU, in one folder and nowhere else.

From PyPI comes Intel's OpenCL runtime for CPUs, from Debian or Ubuntu an OpenCL loader that knows layers; the layer
itself is compiled from igpu_layer.c. `python -m test.gpu.gpu_setup` does it and prints the file to source.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".venv" / "gpu"
"""`make clean` removes it with the rest of .venv."""
SOURCE = Path(__file__).with_name("igpu_layer.c")
WHEELS = ("intel-opencl-rt==2026.2.0", "intel-cmplr-lib-rt==2026.2.0")
PACKAGES = ("ocl-icd-libopencl1", "opencl-c-headers")
MINUTES = 5
"""Limit of the longest step, a download."""
SHOW_DEVICES = "import openvino as ov; print(*ov.Core().available_devices)"


class SetupError(Exception):
    """The device cannot be set up here; says why."""


class GpuSetup(NamedTuple):
    """Result of `set_up`, and how a process uses it."""

    folder: Path

    @property
    def layer(self) -> Path:
        """The compiled layer."""
        return self.folder / "libigpu_layer.so"

    @property
    def tbb(self) -> Path:
        """The TBB that the runtime needs, newer than the one in OpenVINO's wheel."""
        return self.folder / "runtime" / "lib" / "libtbb.so.12"

    @property
    def runtime(self) -> Path:
        """Intel's OpenCL implementation."""
        return self.folder / "runtime" / "lib" / "libintelocl.so"

    @property
    def loaders(self) -> list[Path]:
        """The OpenCL loader, as it was unpacked; empty before that."""
        return list(self.folder.glob("root/usr/lib/*/libOpenCL.so.1"))

    def environment(self, switches: Path) -> dict[str, str]:
        """Return the variables of a process that is to see the GPU; `switches` is described in igpu_layer.c."""
        loaders = [str(path.parent) for path in self.loaders]
        return {
            "LD_LIBRARY_PATH": _joined(*loaders, os.environ.get("LD_LIBRARY_PATH", "")),
            # Two libraries of one soname cannot be in a process, so OpenVINO gets the runtime's TBB, too.
            "LD_PRELOAD": _joined(str(self.tbb), os.environ.get("LD_PRELOAD", "")),
            "OCL_ICD_VENDORS": str(self.runtime),
            "OPENCL_LAYERS": str(self.layer),
            "FAKE_IGPU_PLAIN": "1",
            "FAKE_IGPU_SWITCHES": str(switches),
        }


def set_up(folder: Path = FOLDER) -> GpuSetup:
    """Download missing parts, compile the layer if it is older than its source, and look for the device.

    Raises SetupError if a step fails: no network, no apt, no compiler, another kind of machine.
    """
    setup = GpuSetup(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (setup.runtime.exists() and setup.tbb.exists()):
        _download_runtime(folder)
    if not setup.loaders or not (folder / "root/usr/include/CL").is_dir():
        _download_loader(folder)
    if not setup.layer.exists() or setup.layer.stat().st_mtime < SOURCE.stat().st_mtime:
        compile_c(setup, SOURCE, setup.layer, "-shared", "-fPIC")
    switches = folder / "switches"
    switches.mkdir(exist_ok=True)
    found = _run([sys.executable, "-c", SHOW_DEVICES], os.environ | setup.environment(switches))
    if "GPU" not in found.split():
        raise SetupError(f"OpenVINO lists {found.strip()} and no GPU, with all that it needs in {folder}")
    variables = setup.environment(switches).items()
    (folder / "env.sh").write_text("".join(f"export {name}='{value}'\n" for name, value in variables))
    return setup


def _download_runtime(folder: Path) -> None:
    # Not installed into the interpreter: tests beside these must not see its OpenCL and its TBB.
    target = ["--prefix", str(folder / "runtime"), "--ignore-installed", "--no-warn-script-location"]
    _run([sys.executable, "-m", "pip", "install", "-q", *target, *WHEELS])


def _download_loader(folder: Path) -> None:
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    try:
        _run(["apt-get", "download", "-qq", *PACKAGES], cwd=packages)
    except SetupError:
        # A fresh container has no lists of packages. Lists of our own need no root and change nothing on the machine.
        own = ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
        for name in ("lists", "cache"):
            (folder / name / "partial").mkdir(parents=True, exist_ok=True)
        _run(["apt-get", *own, "-qq", "update"])
        _run(["apt-get", *own, "download", "-qq", *PACKAGES], cwd=packages)
    for package in packages.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(folder / "root")])


def compile_c(setup: GpuSetup, source: Path, target: Path, *flags: str) -> None:
    """Compile a C file that uses OpenCL; SetupError if that fails."""
    headers = setup.folder / "root" / "usr" / "include"
    # Renamed at the end, so that whoever is using the old one keeps it.
    fresh = target.with_suffix(f".{os.getpid()}")
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-deprecated-declarations", "-pthread", *flags)
    loaders = [str(path) for path in setup.loaders] if "-shared" not in flags else []
    _run(["cc", *flags, f"-I{headers}", "-o", str(fresh), str(source), *loaders])
    fresh.replace(target)


def _run(command: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Return the output of the command; SetupError with its first error if it fails."""
    if shutil.which(command[0]) is None:
        raise SetupError(f"there is no {command[0]} here")
    try:
        run = subprocess.run(
            command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60 * MINUTES, check=False
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{' '.join(command[:3])} took more than {MINUTES} minutes") from None
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        raise SetupError(f"{' '.join(command[:3])}: {errors[0] if errors else f'exit status {run.returncode}'}")
    return run.stdout


def _joined(*paths: str) -> str:
    return ":".join(path for path in paths if path)


if __name__ == "__main__":
    print(set_up().folder / "env.sh")
