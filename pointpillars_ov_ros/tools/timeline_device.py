# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that `timeline` sends requests to: what OpenVINO compiles for, and one that is simulated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import openvino as ov

from pointpillars_ov_ros.core.errors import BundleError, ConfigError, InferenceError
from pointpillars_ov_ros.inference.network import describe, first_line

Done = Callable[[str], None]
"""Called with what went wrong; empty: nothing."""

_OF_THE_CORE = ("CACHE_DIR", "CACHE_MODE")
"""What every device takes, and no plugin names."""
_LISTING = ("AUTO", "MULTI", "HETERO")
NO_READING = ("SUPPORTED_PROPERTIES", "DEVICE_PROPERTIES")


class Device(Protocol):
    """Takes requests, so many at a time."""

    def start(self, request: int, done: Done) -> None:
        """Start the request of that index; `done` is called on another thread at the end, also after a failure."""

    def executing(self) -> str:
        """Name the device that executes at present."""

    def effective(self) -> dict[str, str]:
        """Read the settings back."""


class OpenVinoDevice:
    """A network compiled by OpenVINO, and its requests, whose inputs are zeros."""

    def __init__(self, path: Path, device: str, properties: Mapping[str, str], requests: int) -> None:
        """Compile; BundleError, ConfigError or InferenceError where that cannot be."""
        core = ov.Core()
        check_properties(core, device, properties)
        try:
            # Read first: for a path, compile_model would bypass automatic batching.
            model = core.read_model(path)
        except RuntimeError as error:
            raise BundleError(f"{path} is no network that OpenVINO reads: {first_line(error)}") from None
        try:
            self._compiled = core.compile_model(model, device, dict(properties))
            self._requests = [self._compiled.create_infer_request() for _ in range(requests)]
        except RuntimeError as error:
            raise InferenceError(
                f"{path.name} cannot run on device {device!r} ({first_line(error)}); "
                f"available here: {', '.join(core.available_devices)}"
            ) from None
        for request in self._requests:
            for tensor in request.input_tensors:
                tensor.data.fill(0)

    def start(self, request: int, done: Done) -> None:
        """See `Device`."""
        raw = self._requests[request]
        raw.start_async()
        # Not by a callback: OpenVINO does not call it when an inference fails. A thread that waits sees both.
        threading.Thread(target=_wait, args=(raw, done), daemon=True).start()

    def executing(self) -> str:
        """See `Device`; `(CPU)` is what AUTO says while the CPU stands in."""
        return describe(self._compiled.get_property("EXECUTION_DEVICES"))

    def effective(self) -> dict[str, str]:
        """See `Device`."""
        names = sorted(set(self._compiled.get_property("SUPPORTED_PROPERTIES")) - set(NO_READING))
        return {name: describe(self._compiled.get_property(name)) for name in names}


class SimulatedSwitch:
    """What AUTO does, with a second device that is simulated: another stands in until it has compiled."""

    NAME = "SIMULATED"

    def __init__(self, stand_in: Device, begin: float, compile_s: float, latency_s: float) -> None:
        """Switch `compile_s` after `begin` (s, monotonic) to a device that takes `latency_s` for each request."""
        self._stand_in, self._ready_at, self._latency_s = stand_in, begin + compile_s, latency_s

    def start(self, request: int, done: Done) -> None:
        """See `Device`."""
        if self._is_ready():
            threading.Timer(self._latency_s, done, [""]).start()
        else:
            self._stand_in.start(request, done)

    def executing(self) -> str:
        """See `Device`."""
        return self.NAME if self._is_ready() else f"({self._stand_in.executing()})"

    def effective(self) -> dict[str, str]:
        """See `Device`."""
        return self._stand_in.effective()

    def _is_ready(self) -> bool:
        return time.monotonic() >= self._ready_at


def check_properties(core: ov.Core, device: str, properties: Mapping[str, str]) -> None:
    """Raise ConfigError where a property is none that the device's plugins know, naming those that they do.

    AUTO, BATCH and their like hand on what the devices behind them know, without naming it among their own.
    """
    known = set(_OF_THE_CORE)
    for plugin in _plugins(device, core.available_devices):
        try:
            known.update(core.get_property(plugin, "SUPPORTED_PROPERTIES"))
        except RuntimeError as error:
            available = ", ".join(core.available_devices)
            raise InferenceError(f"no device {plugin!r} ({first_line(error)}); available here: {available}") from None
    for name in properties:
        if name not in known:
            raise ConfigError(f"{name}: no property of {device}, which knows {', '.join(sorted(known))}")


def _plugins(device: str, available: Sequence[str]) -> list[str]:
    """Name the plugins in a device string: AUTO:GPU.0,CPU gives AUTO, GPU and CPU; AUTO alone, all that there are."""
    first, is_list, rest = device.partition(":")
    names = rest.split(",") if is_list else available if first in _LISTING else []
    return [name.partition("(")[0].partition(".")[0] for name in (first, *names)]


def _wait(request: ov.InferRequest, done: Done) -> None:
    try:
        request.wait()
    except RuntimeError as error:
        done(first_line(error))
    else:
        done("")
