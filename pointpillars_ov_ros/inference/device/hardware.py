# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnosis of a GPU or NPU that OpenVINO does not list: device file, permissions, driver."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_INTEL = "0x8086"
_LOGIN = "then log in again"


class AbsentDevice(NamedTuple):
    """A device that OpenVINO does not list."""

    name: str
    reason: str
    cure: str
    """Command to type; empty if the machine has no such device, so that there is nothing to fix."""


def explain_absent(available: Sequence[str], root: Path = Path("/"), user: str = "$USER") -> list[AbsentDevice]:
    """Return why GPU and NPU are not among the `available` devices of OpenVINO; nothing for those that are."""
    kinds = {name.partition(".")[0] for name in available}
    found = []
    if "GPU" not in kinds:
        found.append(_explain_gpu(root, user))
    if "NPU" not in kinds:
        found.append(_explain_npu(root, user))
    return found


def _explain_gpu(root: Path, user: str) -> AbsentDevice:
    nodes = sorted((root / "dev/dri").glob("renderD*"))
    drawn = sorted((root / "sys/class/drm").glob("renderD*"))
    intel = [node.name for node in drawn if _read(node / "device/vendor") == _INTEL]
    if not intel:
        has = "no Intel GPU in /sys/class/drm" if drawn else "no GPU in /sys/class/drm"
        return AbsentDevice("GPU", has, "")
    there = [node for node in nodes if node.name in intel]
    if not there:
        reason = f"/dev/dri/{intel[0]} is missing, but the machine has an Intel GPU: a container without it?"
        return AbsentDevice("GPU", reason, "docker run --device /dev/dri --group-add $(stat -c %g /dev/dri/render*) …")
    if not os.access(there[0], os.R_OK | os.W_OK):
        return AbsentDevice(
            "GPU", f"no permission to open /dev/dri/{there[0].name}", f"sudo usermod -aG render {user}   # {_LOGIN}"
        )
    if not _has_opencl_driver(root):
        return AbsentDevice(
            "GPU", "there is no Intel OpenCL driver in /etc/OpenCL/vendors", "sudo apt install intel-opencl-icd"
        )
    if root == Path("/") and not _can_load("libOpenCL.so.1"):
        return AbsentDevice("GPU", "libOpenCL.so.1 cannot be loaded", "sudo apt install ocl-icd-libopencl1")
    return AbsentDevice(
        "GPU",
        f"/dev/dri/{there[0].name} and its OpenCL driver exist, but OpenVINO does not list it: is the driver too old?",
        "sudo apt install clinfo && clinfo -l",
    )


def _explain_npu(root: Path, user: str) -> AbsentDevice:
    drawn = sorted((root / "sys/class/accel").glob("accel*"))
    intel = [node.name for node in drawn if _read(node / "device/vendor") == _INTEL]
    if not intel:
        return AbsentDevice("NPU", "no NPU in /sys/class/accel", "")
    node = root / "dev/accel" / intel[0]
    if not node.exists():
        return AbsentDevice("NPU", f"/dev/accel/{intel[0]} is missing", "docker run --device /dev/accel …")
    if not os.access(node, os.R_OK | os.W_OK):
        return AbsentDevice(
            "NPU", f"no permission to open /dev/accel/{intel[0]}", f"sudo usermod -aG render {user}   # {_LOGIN}"
        )
    return AbsentDevice(
        "NPU",
        f"/dev/accel/{intel[0]} exists, but OpenVINO does not list it: its user-space driver is missing",
        "install the packages of https://github.com/intel/linux-npu-driver/releases",
    )


def _has_opencl_driver(root: Path) -> bool:
    """Whether a vendor file names Intel's driver, or the environment sets another folder for such files."""
    folder = Path(os.environ["OCL_ICD_VENDORS"]) if os.environ.get("OCL_ICD_VENDORS") else root / "etc/OpenCL/vendors"
    files = [folder] if folder.is_file() else sorted(folder.glob("*.icd"))
    return any("intel" in f"{file.name} {_read(file)}".lower() for file in files)


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
