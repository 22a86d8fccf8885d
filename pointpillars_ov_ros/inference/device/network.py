# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One OpenVINO network compiled for a device, its requests, their memory, and the threads that wait for them.

Threads of our own wait for inferences, in place of OpenVINO's callbacks. Where a request has a callback in Python, to
free it or its network may hang or end the process (docs/openvino_callback.md). A thread of ours also learns of failed
inferences, of which callbacks are not told, and costs no more.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

import openvino as ov

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.device.properties import (
    Batching,
    describe,
    in_text,
    read_back,
    read_batching,
    read_property,
)
from pointpillars_ov_ros.model.ports import Ports, Shape, first_line, name_ports, read_model


class _Wait(NamedTuple):
    waits: Sequence[Callable[[], object]]
    done: Callable[[], None]


class InferenceWaiter:
    """Thread that waits for the inferences started last; it ends when its owner is freed."""

    def __init__(self) -> None:
        """Start without a thread; the first `call_after` starts it."""
        self._started: SimpleQueue[_Wait | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def call_after(self, waits: Sequence[Callable[[], object]], done: Callable[[], None]) -> None:
        """Call each of `waits`, which return or raise when an inference has ended, and then `done`; one at a time.

        `done` is called on the thread, and must not raise.
        """
        if self._thread is None:
            # The thread refers to the queue only: a reference to the owner would keep it alive.
            self._thread = threading.Thread(
                target=_wait_for_each, args=(self._started,), name="pointpillars-waiter", daemon=True
            )
            self._thread.start()
            weakref.finalize(self, self._started.put, None)
        self._started.put(_Wait(waits, done))


class TensorContext(Protocol):
    """The part of OpenVINO's `RemoteContext` that is used here."""

    def create_host_tensor(self, type: ov.Type, shape: ov.Shape) -> ov.Tensor:
        """Return a tensor in memory that the host can access and the device uses without a copy."""


class SharedMemory:
    """Memory shared by the host and a device: one writes it, the other reads it in place."""

    def __init__(self, context: TensorContext | None = None) -> None:
        """Allocate through `context`, that of a GPU; None: ordinary memory, which the CPU uses in place."""
        self._context = context

    @classmethod
    def of(cls, core: ov.Core, device: str) -> SharedMemory:
        """Return the memory shared with `device`; meta devices such as AUTO may copy as they move between devices."""
        return cls(core.get_default_context(device) if device.startswith("GPU") else None)

    def allocate(self, kind: ov.Type, shape: Sequence[int]) -> ov.Tensor:
        """Return an uninitialized tensor, whose `data` is an array over its memory."""
        size = ov.Shape(list(shape))
        return ov.Tensor(kind, size) if self._context is None else self._context.create_host_tensor(kind, size)


class Request:
    """One asynchronous inference request, whose tensors are read and written in place.

    The owner leaves its tensors alone between `start` and the end of `finish`.
    """

    def __init__(self, request: ov.InferRequest, name: str, tensors: Mapping[str, ov.Tensor]) -> None:
        """Wrap `request` of the network called `name` in messages, and set its `tensors`."""
        self._request = request
        self._name = name
        self._waiter = InferenceWaiter()
        self._tensors: dict[str, ov.Tensor] = {}
        self._arrays: dict[str, FloatArray] = {}
        for port, tensor in tensors.items():
            self.bind(port, tensor)

    def tensor(self, name: str) -> FloatArray:
        """Return the memory of the input or output tensor `name`, (shape of the network) of its type.

        It stays the same for the life of the request, unless the network has a dynamic shape.
        """
        if name in self._arrays:
            return self._arrays[name]
        data: FloatArray = self._request.get_tensor(name).data
        return data

    def bind(self, name: str, memory: FloatArray | ov.Tensor) -> None:
        """Use this memory, C-contiguous and of the network's shape, as tensor `name`."""
        tensor = memory if isinstance(memory, ov.Tensor) else ov.Tensor(memory, shared_memory=True)
        self._request.set_tensor(name, tensor)
        # Kept because OpenVINO does not keep alive what it was given.
        self._tensors[name], self._arrays[name] = tensor, tensor.data

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start the inference; `done` is called when it ends or fails, on a thread that waits for it.

        `done` must do next to nothing, and never raise.
        """
        try:
            self._request.start_async()
        except RuntimeError as error:
            raise InferenceError(f"{self._name} could not be started: {first_line(error)}") from None
        if done is not None:
            self._waiter.call_after([self.wait], done)

    def wait(self) -> None:
        """Wait for the end of the inference; RuntimeError if it failed."""
        self._request.wait()

    def is_finished(self) -> bool:
        """Whether the inference is no longer running, because it ended or failed."""
        try:
            return bool(self._request.wait_for(0))
        except RuntimeError:
            return True

    def finish(self) -> None:
        """Wait for the end of the inference (returns at once after `done`); InferenceError if it failed."""
        try:
            self.wait()
        except RuntimeError as error:
            raise InferenceError(f"{self._name} failed: {first_line(error)}") from None


class Network:
    """A network compiled with explicit settings."""

    def __init__(
        self,
        path: Path,
        device: str,
        properties: Mapping[str, Any],
        ports: Ports,
        reshape: Mapping[str, Shape] | None = None,
        rewrite: Callable[[ov.Model], ov.Model] | None = None,
    ) -> None:
        """Read and compile the IR at `path` for `device`, with its inputs reshaped and its graph rewritten.

        `ports` are the tensors it must have when read. Raises BundleError if it is another network, InferenceError if
        the device cannot run it.
        """
        self.name = path.stem
        self._properties = dict(properties)
        core = ov.Core()
        model = read_model(core, path, ports)
        try:
            if reshape:
                model.reshape(dict(reshape))
            if rewrite:
                model = rewrite(model)
            name_ports(model)
            begin = time.monotonic()
            self._compiled = core.compile_model(model, device, in_text(self._properties))
            self.compile_s = time.monotonic() - begin
            """Time for compiling, or for loading from the cache (CACHE_DIR)."""
            self.was_cached = bool(read_property(self._compiled, "LOADED_FROM_CACHE"))
            self.memory = SharedMemory.of(core, device)
        except RuntimeError as error:
            raise InferenceError(
                f"{path.name} cannot run on device {device!r} ({first_line(error)}); "
                f"available here: {', '.join(core.available_devices)}{_way_out(device, core.available_devices)}"
            ) from None

    def create_request(self) -> Request:
        """Return a request with tensors of its own, in memory that the host shares with the device."""
        ports = [*self._compiled.inputs, *self._compiled.outputs]
        tensors = {
            port.get_any_name(): self.memory.allocate(port.element_type, port.shape)
            for port in ports
            if port.partial_shape.is_static
        }
        return Request(self._compiled.create_infer_request(), self.name, tensors)

    @property
    def optimal_requests(self) -> int:
        """Number of concurrent requests with which the device says it is fastest."""
        if "OPTIMAL_NUMBER_OF_INFER_REQUESTS" not in self._compiled.get_property("SUPPORTED_PROPERTIES"):
            return 1
        return max(1, int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))

    @property
    def request_bytes(self) -> int:
        """Memory of the tensors of one request; dynamic shapes are not counted."""
        ports = [*self._compiled.inputs, *self._compiled.outputs]
        return sum(math.prod(port.shape) * port.element_type.size for port in ports if port.partial_shape.is_static)

    @property
    def execution_devices(self) -> tuple[str, ...]:
        """Devices it runs on; AUTO's stand-in is in parentheses, "(CPU)", while the preferred one is compiled for."""
        return tuple(read_property(self._compiled, "EXECUTION_DEVICES") or ())

    @property
    def preferred_device(self) -> str:
        """The device that AUTO moves to when it can; empty if the network stays where it is."""
        priorities = str(read_property(self._compiled, "MULTI_DEVICE_PRIORITIES") or "")
        return priorities.partition(",")[0]

    @property
    def is_provisional(self) -> bool:
        """Whether AUTO is still compiling it for another device, in the background."""
        return any(name.startswith("(") for name in self.execution_devices)

    @property
    def hint(self) -> str:
        """The PERFORMANCE_HINT that it was compiled with; MULTI reads it back as another one."""
        return describe(self._properties.get("PERFORMANCE_HINT", ""))

    @property
    def batching(self) -> Batching | None:
        """How requests are batched; None if they are not."""
        return read_batching(self._compiled)

    def effective_settings(self) -> dict[str, str]:
        """Return the settings read back from the compiled network; see `read_back`."""
        return read_back(self._compiled, self._properties)


def _way_out(device: str, available: Sequence[str]) -> str:
    """Return advice on what a GPU needs, if there is none."""
    if not device.startswith("GPU") or any(name.startswith("GPU") for name in available):
        return ""
    return "; a GPU needs its OpenCL driver (intel-opencl-icd), and this user must be in the group render"


def _wait_for_each(started: SimpleQueue[_Wait | None]) -> None:
    while (wait := started.get()) is not None:
        _wait_for_all(wait)
        # Not kept until the next one comes: it holds the requests, and through them the network.
        del wait


def _wait_for_all(wait: _Wait) -> None:
    for wait_for_one in wait.waits:
        try:
            wait_for_one()
        except RuntimeError:
            # The inference failed, so it has ended. Whoever finishes it gets the reason.
            continue
    wait.done()
