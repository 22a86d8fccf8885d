# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that `timeline` sends requests to: what OpenVINO compiles for, and one that is simulated."""

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
from pointpillars_ov_ros.model.ports import first_line

log = logging.getLogger(__name__)

Done = Callable[[str], None]
"""Called with what went wrong; empty: nothing."""

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
        device, warning = fit_device(device, "--device")
        if warning:
            log.warning("%s", warning)
        checked = check_properties(core, device, properties)
        try:
            # Read first: for a path, compile_model would bypass automatic batching.
            model = core.read_model(path)
        except RuntimeError as error:
            raise BundleError(f"{path} is no network that OpenVINO reads: {first_line(error)}") from None
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


def _wait(request: ov.InferRequest, done: Done) -> None:
    try:
        request.wait()
    except RuntimeError as error:
        done(first_line(error))
    else:
        done("")
