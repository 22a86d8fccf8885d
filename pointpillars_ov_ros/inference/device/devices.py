# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parsing of device strings, and their reduction to the devices of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import openvino as ov

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError, shown
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.model.ports import first_line

_LISTING = ("AUTO", "MULTI", "HETERO")
"""Meta devices that take a list of devices, or without a list all available ones."""
_BATCH = "BATCH"
_MEMBER = re.compile(r"(?P<minus>-?)(?P<name>[A-Za-z]\w*(\.\w+)?)(\(\d+\))?")
_NOT_BY_ITSELF = "NPU"
"""Left out when all devices are meant, as AUTO does: it needs other networks."""


@dataclass(frozen=True)
class DeviceString:
    """A device string: `GPU.1` is one member; `AUTO:GPU,CPU` and `BATCH:GPU(4)` are a meta device with members."""

    meta: str
    """AUTO, MULTI, HETERO or BATCH; empty: none."""
    members: tuple[str, ...]
    """Members as written: with a device number, a number of requests or of the batch, or AUTO's minus.

    Empty: AUTO, MULTI or HETERO choose by themselves.
    """

    def __str__(self) -> str:
        """Return the string as OpenVINO reads it."""
        return ":".join(part for part in (self.meta, ",".join(self.members)) if part)

    def plugins(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the plugins that requests may go through; for AUTO without a list, all that are `available`."""
        members = self.members
        if self.meta and all(_is_excluded(member) for member in members):
            members = tuple(name for name in available if f"-{name}" not in members)
        return tuple(name for name in (self.meta, *(_name(member).partition(".")[0] for member in members)) if name)


def parse_device(text: str, field: str) -> DeviceString:
    """Parse a device string; ConfigError names `field` and `text`."""
    first, has_list, rest = text.partition(":")
    meta = first if has_list or first in (*_LISTING, _BATCH) else ""
    members = tuple(part.strip() for part in (rest if meta else text).split(",")) if has_list or not meta else ()
    is_known = meta in ("", *_LISTING, _BATCH) and all(_MEMBER.fullmatch(member) for member in members)
    is_single = bool(meta) or len(members) == 1
    if not (is_known and is_single) or (meta == _BATCH and len(members) != 1):
        raise ConfigError(
            f"{field}: {shown(text)} is not an OpenVINO device such as CPU, GPU.1, AUTO, AUTO:GPU,CPU, "
            "MULTI:GPU,CPU, HETERO:GPU,CPU or BATCH:GPU(4)"
        )
    return DeviceString(meta, members)


def fit_device(text: str, field: str) -> tuple[str, str]:
    """Reduce a device string to the devices available here; return it with a warning, empty if nothing was removed.

    Raises ConfigError if it cannot be parsed, InferenceError if nothing is left. A single device is left to OpenVINO,
    which knows best why it cannot be used.
    """
    core = ov.Core()
    device, available = parse_device(text, field), core.available_devices
    if not device.meta:
        (name,) = map(_name, device.members)
        if name.startswith(_NOT_BY_ITSELF) and not _is_among(name, available):
            # For the PFE nobody would notice: for an NPU, pillars are encoded on the host.
            here = ", ".join(available)
            raise InferenceError(f"{field}: {text!r} is not available on this machine; available: {here}")
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
        raise InferenceError(
            f"{field}: none of the devices in {text!r} can be used: {reasons}; available: {', '.join(available)}"
        )
    return str(left), f"{field}: {text!r} is reduced to {str(left)!r}: {reasons}"


def fit_to_machine(runtime: RuntimeConfig) -> tuple[RuntimeConfig, tuple[str, ...]]:
    """Reduce both devices of the settings to those available here; return the warnings, too.

    Raises the exceptions of `fit_device`.
    """
    pfe, pfe_warning = fit_device(runtime.pfe_device, "pfe_device")
    rpn, rpn_warning = fit_device(runtime.rpn_device, "rpn_device")
    if pfe_warning and runtime.pfe_device == runtime.rpn_device:
        pfe_warning, rpn_warning = pfe_warning.replace("pfe_device", "pfe_device, rpn_device", 1), ""
    warnings = tuple(warning for warning in (pfe_warning, rpn_warning) if warning)
    return replace(runtime, pfe_device=pfe, rpn_device=rpn), warnings


def is_cpu_alone(text: str) -> bool:
    """Whether everything on that device runs on the CPU, through any meta device; `text` fits the machine."""
    return _kinds(text) == {"CPU"}


def is_gpu_alone(text: str) -> bool:
    """Whether everything on that device runs on GPUs, through any meta device; `text` fits the machine."""
    return _kinds(text) == {"GPU"}


def all_of(available: Sequence[str]) -> tuple[str, ...]:
    """Return the available devices, the CPU last, since lists start with the preferred device."""
    names = [name for name in available if not name.startswith(_NOT_BY_ITSELF)]
    return tuple(sorted(names, key=lambda name: name == "CPU"))


def _kinds(text: str) -> set[str]:
    plugins = parse_device(text, "device").plugins(ov.Core().available_devices)
    return {name.partition(".")[0] for name in plugins if name not in (*_LISTING, _BATCH)}


def _is_among(name: str, available: Sequence[str]) -> bool:
    """Whether a device is available; GPU is the first of GPU.0 and GPU.1, and GPU.0 another name of a single GPU."""
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
