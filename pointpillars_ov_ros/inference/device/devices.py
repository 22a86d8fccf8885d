# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Device strings, and what is left of them on the machine at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import openvino as ov

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError, shown
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.model.ports import first_line

_LISTING = ("AUTO", "MULTI", "HETERO")
"""Take a list of devices, or by their name alone all that there are."""
_BATCH = "BATCH"
_MEMBER = re.compile(r"(?P<minus>-?)(?P<name>[A-Za-z]\w*(\.\w+)?)(\(\d+\))?")
_NOT_BY_ITSELF = "NPU"
"""Left out where all devices are meant, as AUTO does: it takes other networks."""


@dataclass(frozen=True)
class DeviceString:
    """`GPU.1` is one member; `AUTO:GPU,CPU` and `BATCH:GPU(4)` are a meta device with members."""

    meta: str
    """AUTO, MULTI, HETERO or BATCH; empty: none."""
    members: tuple[str, ...]
    """As written: with the number of a device, of requests or of the batch, or with the minus of what AUTO leaves out.

    Empty: AUTO, MULTI or HETERO choose by themselves.
    """

    def __str__(self) -> str:
        """Return it as OpenVINO reads it."""
        return ":".join(part for part in (self.meta, ",".join(self.members)) if part)

    def plugins(self, available: Sequence[str]) -> tuple[str, ...]:
        """Name the plugins that requests may go through; those behind AUTO alone are all that are `available`."""
        members = self.members
        if self.meta and all(_is_excluded(member) for member in members):
            members = tuple(name for name in available if f"-{name}" not in members)
        return tuple(name for name in (self.meta, *(_name(member).partition(".")[0] for member in members)) if name)


def parse_device(text: str, field: str) -> DeviceString:
    """Read a device string; ConfigError names `field` and `text`."""
    first, has_list, rest = text.partition(":")
    meta = first if has_list or first in (*_LISTING, _BATCH) else ""
    members = tuple(part.strip() for part in (rest if meta else text).split(",")) if has_list or not meta else ()
    is_known = meta in ("", *_LISTING, _BATCH) and all(_MEMBER.fullmatch(member) for member in members)
    is_single = bool(meta) or len(members) == 1
    if not (is_known and is_single) or (meta == _BATCH and len(members) != 1):
        raise ConfigError(
            f"{field}: {shown(text)} is no device of OpenVINO's, such as CPU, GPU.1, AUTO, AUTO:GPU,CPU, "
            "MULTI:GPU,CPU, HETERO:GPU,CPU or BATCH:GPU(4)"
        )
    return DeviceString(meta, members)


def fit_device(text: str, field: str) -> tuple[str, str]:
    """Reduce a device string to what is here; return what is left, and a warning, empty where nothing was taken away.

    Raises ConfigError where it cannot be read, InferenceError where nothing is left. A single device is left to
    OpenVINO, which knows best why it cannot be used.
    """
    core = ov.Core()
    device, available = parse_device(text, field), core.available_devices
    if not device.meta:
        (name,) = map(_name, device.members)
        if name.startswith(_NOT_BY_ITSELF) and not _is_among(name, available):
            # Of the PFE, nobody would notice: for an NPU, pillars are encoded on the host.
            here = ", ".join(available)
            raise InferenceError(f"{field}: {text!r} is no device of this machine; available here: {here}")
        return str(device), ""
    if not device.members:
        # AUTO does this by itself; the others would fail.
        return str(device if device.meta == "AUTO" else replace(device, members=all_of(available))), ""
    absent = [member for member in device.members if not (_is_excluded(member) or _is_among(_name(member), available))]
    if not absent:
        return str(device), ""
    left = replace(device, members=tuple(member for member in device.members if member not in absent))
    reasons = ", ".join(f"{name} is not available here ({_why_absent(core, name)})" for name in map(_name, absent))
    if all(_is_excluded(member) for member in left.members):
        raise InferenceError(f"{field}: nothing is left of {text!r}, for {reasons}; available: {', '.join(available)}")
    return str(left), f"{field}: {text!r} is reduced to {str(left)!r}, for {reasons}"


def fit_to_machine(runtime: RuntimeConfig) -> tuple[RuntimeConfig, tuple[str, ...]]:
    """Reduce both devices of the settings to what is here; return the warnings, too. Raises as `fit_device` does."""
    pfe, pfe_warning = fit_device(runtime.pfe_device, "pfe_device")
    rpn, rpn_warning = fit_device(runtime.rpn_device, "rpn_device")
    if pfe_warning and runtime.pfe_device == runtime.rpn_device:
        pfe_warning, rpn_warning = pfe_warning.replace("pfe_device", "pfe_device, rpn_device", 1), ""
    warnings = tuple(warning for warning in (pfe_warning, rpn_warning) if warning)
    return replace(runtime, pfe_device=pfe, rpn_device=rpn), warnings


def is_cpu_alone(text: str) -> bool:
    """Whether whatever runs on that device runs on the CPU, whoever hands it on; `text` fits the machine."""
    plugins = parse_device(text, "device").plugins(ov.Core().available_devices)
    return [name for name in plugins if name not in (*_LISTING, _BATCH)] == ["CPU"]


def all_of(available: Sequence[str]) -> tuple[str, ...]:
    """Return what there is, the CPU last: lists begin with what is preferred."""
    names = [name for name in available if not name.startswith(_NOT_BY_ITSELF)]
    return tuple(sorted(names, key=lambda name: name == "CPU"))


def _is_among(name: str, available: Sequence[str]) -> bool:
    """Whether a device is there; GPU is the first of GPU.0 and GPU.1, and GPU.0 another name of a lone GPU."""
    return any(name in (found, found.partition(".")[0], f"{found}.0") for found in available)


def _is_excluded(member: str) -> bool:
    return member.startswith("-")


def _name(member: str) -> str:
    return member.lstrip("-").partition("(")[0]


def _why_absent(core: ov.Core, name: str) -> str:
    try:
        core.get_property(name, "FULL_DEVICE_NAME")
    except RuntimeError as error:
        return first_line(error)
    return f"available: {', '.join(core.available_devices)}"
