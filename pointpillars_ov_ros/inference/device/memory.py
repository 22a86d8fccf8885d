# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that the host and a device share: written and read by one, used in place by the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import openvino as ov


class Context(Protocol):
    """What of OpenVINO's `RemoteContext` is used here."""

    def create_host_tensor(self, type: ov.Type, shape: ov.Shape) -> ov.Tensor:
        """Give a tensor in memory that the host can access and the device uses without a copy."""


class SharedMemory:
    """Makes the tensors of requests."""

    def __init__(self, context: Context | None = None) -> None:
        """Allocate through `context`, a GPU's; None: ordinary memory, which the CPU uses in place."""
        self._context = context

    def allocate(self, kind: ov.Type, shape: Sequence[int]) -> ov.Tensor:
        """Give a tensor of any content, whose `data` is an array over its memory."""
        size = ov.Shape(list(shape))
        return ov.Tensor(kind, size) if self._context is None else self._context.create_host_tensor(kind, size)


def shared_memory(core: ov.Core, device: str) -> SharedMemory:
    """Give the memory shared with `device`; AUTO and its like move between devices, and copy where they must."""
    return SharedMemory(core.get_default_context(device) if device.startswith("GPU") else None)
