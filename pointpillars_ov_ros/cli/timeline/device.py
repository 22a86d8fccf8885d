# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that `timeline` sends requests to: those of OpenVINO, and a simulated one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import openvino as ov

from pointpillars_ov_ros.config.errors import BundleError, InferenceError
from pointpillars_ov_ros.inference.device.devices import fit_device
from pointpillars_ov_ros.inference.device.properties import check_properties, describe, in_text
from pointpillars_ov_ros.model.ports import first_line, name_ports

log = logging.getLogger(__name__)

Done = Callable[[str], None]
"""Callback with an error message; empty: success."""

NO_READING = ("SUPPORTED_PROPERTIES", "DEVICE_PROPERTIES")


class Device(Protocol):
    """Device that runs a number of requests concurrently."""

    def start(self, request: int, done: Done) -> None:
        """Start the request with that index; `done` is called on another thread when it ends or fails."""

    def executing(self) -> str:
        """Return the name of the device that currently executes."""

    def effective(self) -> dict[str, str]:
        """Return the settings read back from the device."""


class OpenVinoDevice:
    """A network compiled by OpenVINO, and its requests, whose inputs are zeros."""

    def __init__(self, path: Path, device: str, properties: Mapping[str, str], requests: int) -> None:
        """Compile the network; BundleError, ConfigError or InferenceError if that is not possible."""
        core = ov.Core()
        device, warning = fit_device(device, "--device")
        if warning:
            log.warning("%s", warning)
        checked = check_properties(core, device, properties)
        try:
            # Read first: given a path, compile_model would bypass automatic batching.
            model = core.read_model(path)
        except RuntimeError as error:
            raise BundleError(f"{path} is not a network that OpenVINO can read: {first_line(error)}") from None
        name_ports(model)
        try:
            self._compiled = core.compile_model(model, device, in_text(checked))
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
        """Start a request; see `Device`."""
        raw = self._requests[request]
        raw.start_async()
        # Not by a callback: OpenVINO does not call it if an inference fails. A waiting thread sees both.
        threading.Thread(target=_wait, args=(raw, done), daemon=True).start()

    def executing(self) -> str:
        """Return the executing device; AUTO reports `(CPU)` while the CPU stands in."""
        return describe(self._compiled.get_property("EXECUTION_DEVICES"))

    def effective(self) -> dict[str, str]:
        """Return the settings read back from the network."""
        names = sorted(set(self._compiled.get_property("SUPPORTED_PROPERTIES")) - set(NO_READING))
        return {name: describe(self._compiled.get_property(name)) for name in names}


class SimulatedSwitch:
    """Simulation of AUTO with a second device: another one stands in until it has compiled."""

    NAME = "SIMULATED"

    def __init__(self, stand_in: Device, begin: float, compile_s: float, latency_s: float) -> None:
        """Switch `compile_s` after `begin` (s, monotonic) to a device that takes `latency_s` per request."""
        self._stand_in, self._ready_at, self._latency_s = stand_in, begin + compile_s, latency_s

    def start(self, request: int, done: Done) -> None:
        """Start a request; see `Device`."""
        if self._is_ready():
            threading.Timer(self._latency_s, done, [""]).start()
        else:
            self._stand_in.start(request, done)

    def executing(self) -> str:
        """Return the executing device; see `Device`."""
        return self.NAME if self._is_ready() else f"({self._stand_in.executing()})"

    def effective(self) -> dict[str, str]:
        """Return the settings of the device that stands in."""
        return self._stand_in.effective()

    def _is_ready(self) -> bool:
        return time.monotonic() >= self._ready_at


def _wait(request: ov.InferRequest, done: Done) -> None:
    try:
        request.wait()
    except RuntimeError as error:
        done(first_line(error))
    else:
        done("")
