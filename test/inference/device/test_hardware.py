# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a GPU or an NPU is not listed, on machines made of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pointpillars_ov_ros.inference.device.hardware import AbsentDevice, explain_absent


def machine(root: Path, *, vendor: str = "0x8086", node: bool = True, driver: bool = True, npu: str = "") -> Path:
    """Make the files of a machine with a GPU of a vendor, and an NPU's device file where `npu` names it."""
    device = root / "sys/class/drm/renderD128/device"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (root / "dev/dri").mkdir(parents=True)
    if node:
        (root / "dev/dri/renderD128").touch()
    if driver:
        (root / "etc/OpenCL/vendors").mkdir(parents=True)
        (root / "etc/OpenCL/vendors/intel.icd").write_text("/usr/lib/x86_64-linux-gnu/intel-opencl/libigdrcl.so\n")
    if npu:
        accel = root / "sys/class/accel/accel0/device"
        accel.mkdir(parents=True)
        (accel / "vendor").write_text("0x8086\n")
        if npu != "no node":
            (root / "dev/accel").mkdir(parents=True)
            (root / "dev/accel/accel0").touch()
    return root


def gpu(root: Path) -> AbsentDevice:
    return next(one for one in explain_absent(["CPU"], root, "ada") if one.name == "GPU")


def npu(root: Path) -> AbsentDevice:
    return next(one for one in explain_absent(["CPU"], root, "ada") if one.name == "NPU")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCL_ICD_VENDORS", raising=False)


def test_what_is_listed_needs_no_reason(tmp_path: Path) -> None:
    assert explain_absent(["CPU", "GPU.0", "GPU.1", "NPU"], tmp_path) == []
    assert [one.name for one in explain_absent(["CPU", "GPU"], tmp_path)] == ["NPU"]


def test_a_machine_without_either_has_nothing_to_mend(tmp_path: Path) -> None:
    found = explain_absent(["CPU"], tmp_path)
    assert [(one.name, one.cure) for one in found] == [("GPU", ""), ("NPU", "")]
    assert gpu(machine(tmp_path, vendor="0x10de")).cure == ""


def test_a_container_without_the_device(tmp_path: Path) -> None:
    found = gpu(machine(tmp_path, node=False))
    assert "/dev/dri/renderD128 is missing" in found.reason
    assert found.cure.startswith("docker run --device /dev/dri")


def test_a_user_without_the_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may open anything, whatever the mode says.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert gpu(machine(tmp_path, npu="there")).cure.startswith("sudo usermod -aG render ada")
    assert npu(tmp_path).cure.startswith("sudo usermod -aG render ada")


def test_a_machine_without_the_driver(tmp_path: Path) -> None:
    assert gpu(machine(tmp_path, driver=False)).cure == "sudo apt install intel-opencl-icd"


def test_a_driver_that_finds_nothing(tmp_path: Path) -> None:
    found = gpu(machine(tmp_path))
    assert "OpenVINO does not list it" in found.reason
    assert "clinfo" in found.cure


def test_the_vendor_files_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path / "root", driver=False)
    (tmp_path / "own.icd").write_text("libintelocl.so\n")
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    assert "OpenVINO does not list it" in gpu(root).reason


def test_an_npu_without_its_file_or_driver(tmp_path: Path) -> None:
    assert "docker run --device /dev/accel" in npu(machine(tmp_path / "a", npu="no node")).cure
    assert "linux-npu-driver" in npu(machine(tmp_path / "b", npu="there")).cure
